-- Questions of the checks, for our loads and for those of another job.

-- name: age
-- When assets were last loaded: by the runs that say so, or by rows that are newer, since not every job notes runs.
SELECT clock_timestamp() - max(greatest(
    (SELECT max(completed_at) FROM meta.ingestion_runs AS r
     WHERE r.status = 'completed' AND r.source_system = :source_system AND r.entity_type = wanted.entity_type),
    (SELECT max(ingested_at) FROM bronze.raw_entities AS e
     WHERE e.source_system = :source_system AND e.entity_type = wanted.entity_type)
)) AS age
FROM unnest(CAST(:entity_types AS text[])) AS wanted (entity_type);

-- name: bronze_state
-- When the newest row of some kinds was stored, and when the last load of them was completed.
SELECT max(kind.newest) AS newest, max(kind.loaded) AS loaded
FROM unnest(CAST(:entity_types AS text[])) AS wanted (entity_type)
CROSS JOIN LATERAL (
    SELECT (SELECT max(ingested_at) FROM bronze.raw_entities AS e
            WHERE e.source_system = :source_system AND e.entity_type = wanted.entity_type) AS newest,
           (SELECT max(completed_at) FROM meta.ingestion_runs AS r
            WHERE r.status = 'completed' AND r.source_system = :source_system
              AND r.entity_type = wanted.entity_type) AS loaded
) AS kind;

-- name: last_rebuild
-- The last time that silver was made, and of what.
SELECT started_at, metadata FROM meta.ingestion_runs
WHERE status = 'completed' AND source_system = :source_system AND entity_type = :entity_type
ORDER BY started_at DESC LIMIT 1;

-- name: is_empty
-- Whether no computer is known at all.
SELECT NOT EXISTS (SELECT FROM silver.tdx_computers);

-- name: computers
-- How many computers discovery knows.
SELECT count(*) FROM silver.tdx_computers;

-- name: last_loads
-- The last completed loads of a kind that asked for everything, newest first.
SELECT records_processed AS records, metadata FROM meta.ingestion_runs
WHERE status = 'completed' AND source_system = :source_system AND entity_type = :entity_type
  AND coalesce(metadata ->> 'mode', 'full') = 'full'
ORDER BY started_at DESC LIMIT 2;

-- name: serials
-- Active computers, and how many of them have no serial number to be found by.
SELECT count(*) AS active, count(*) FILTER (WHERE serial_key IS NULL) AS without
FROM silver.tdx_computers WHERE is_active;

-- name: shared_ids
-- Assets that bronze holds under several names, which two loads write.
SELECT count(*) AS assets, min(external_id) AS example FROM (
    SELECT external_id FROM (
        SELECT DISTINCT entity_type, external_id FROM bronze.raw_entities
        WHERE source_system = :source_system AND entity_type = ANY (CAST(:entity_types AS text[]))
    ) AS named GROUP BY external_id HAVING count(*) > 1
) AS shared;
