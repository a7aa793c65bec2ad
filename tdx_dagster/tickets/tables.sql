-- Tables of anybody's that look-ups read.

-- name: columns
-- Every column of every table and view, and whether this user may read it.
SELECT
    n.nspname AS schema_name,
    c.relname AS table_name,
    a.attname AS column_name,
    has_schema_privilege(n.oid, 'USAGE')
    AND has_column_privilege(c.oid, a.attnum, 'SELECT') AS may_read
FROM pg_attribute AS a
INNER JOIN pg_class AS c ON a.attrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE
    c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND a.attnum > 0
    AND NOT a.attisdropped
    AND left(n.nspname, 3) <> 'pg_'
    AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname, a.attnum;

-- name: user_name
-- Who asks.
SELECT current_user AS user_name;
