#!/usr/bin/env python3
"""Writes the samples of this folder with pyarrow: VPC flow logs with the columns, types and order of those that AWS
delivers to S3 as Parquet (Amazon VPC User Guide, "Flow log files", "Parquet"): integers of 32 and 64 bits and strings."""
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
COLUMNS = [
    ("version", pa.int32()), ("account_id", pa.string()), ("interface_id", pa.string()), ("srcaddr", pa.string()),
    ("dstaddr", pa.string()), ("srcport", pa.int32()), ("dstport", pa.int32()), ("protocol", pa.int32()),
    ("packets", pa.int64()), ("bytes", pa.int64()), ("start", pa.int64()), ("end", pa.int64()), ("action", pa.string()),
    ("log_status", pa.string()),
]
ROWS = [
    (2, "123456789010", "eni-0a1b2c3d4e5f60718", "10.20.0.5", "203.0.113.66", 50012, 3333, 6, 20, 4249, 1795185286,
     1795185345, "ACCEPT", "OK"),
    (2, "123456789010", "eni-0a1b2c3d4e5f60718", "10.20.0.5", "203.0.113.7", 50013, 22, 6, 1, 60, 1795185290,
     1795185345, "REJECT", "OK"),
    (2, "123456789010", "eni-0a1b2c3d4e5f60718", None, None, None, None, None, None, None, 1795185346, 1795185405, None,
     "NODATA"),
]
table = pa.table({name: pa.array([row[at] for row in ROWS], kind) for at, (name, kind) in enumerate(COLUMNS)})
pq.write_table(table, HERE / "vpc-flow.parquet", compression="gzip")
pq.write_table(table.slice(0, 2), HERE / "vpc-flow-zstd.parquet", compression="zstd", row_group_size=1)
