"""The sales floor, live: people who look at what is there and do the next thing, as they would in the pages."""
