"""CSV files in: bytes → table → rows of typed values → what a service's importer makes of them.

`reader` knows CSV and encodings, `mapping` the TOML that fits a foreign file to a resource, `resource` what a
resource's columns are, `cells` what a cell means, `rows` joins them. None of these touches a database; `jobs` and
`api` run them as resumable jobs.
"""
