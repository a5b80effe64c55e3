"""What kpi does: takes facts in, folds them, reads them at a past state, replays them; and what it decides itself."""
