"""The collector: what agents publish, from the broker into a dataset of Parquet files, each message once."""
