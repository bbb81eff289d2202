-- Which store this is; one row at most.
CREATE TABLE name (
    name TEXT NOT NULL
) STRICT;
