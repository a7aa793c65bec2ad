-- A record stored as a full domain name is found by its first label: geo-srv1 for geo-srv1.geo.example.edu.
-- `host_key` in tdx_dagster/inventory/keys.py has the same rule.
CREATE INDEX computers_by_host ON silver.tdx_computers (split_part(name_key, '.', 1))
WHERE name_key ~ '^[A-Z0-9_-]*[A-Z][A-Z0-9_-]*([.][A-Z][A-Z0-9-]*)+$';
