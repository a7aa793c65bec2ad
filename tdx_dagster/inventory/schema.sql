-- Where the inventory's own table is, and whether other names in its schema are free.

-- name: schema_of_table
-- The schema of our table; the view of its keys tells it from a table of that name that somebody else has.
SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'serial_key'
WHERE c.relname = 'tdx_computers' AND c.relkind = 'r'
ORDER BY n.nspname = 'silver', n.nspname LIMIT 1;

-- name: is_missing
-- Whether a schema has to be made.
SELECT to_regnamespace(quote_ident(:schema)) IS NULL;

-- name: is_our_view
-- Whether `computers` of a schema is the view over our table.
SELECT EXISTS (
    SELECT FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
    WHERE r.ev_class = to_regclass(quote_ident(:schema) || '.computers')
      AND d.refobjid = to_regclass(quote_ident(:schema) || '.tdx_computers') AND d.deptype = 'n'
);

-- name: is_free
-- Whether nobody has a relation named `computers` in a schema.
SELECT to_regclass(quote_ident(:schema) || '.computers') IS NULL;
