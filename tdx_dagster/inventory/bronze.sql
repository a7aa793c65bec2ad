-- Loading bronze: one load at a time for each source and kind, staged in a temporary table, stored at once.

-- name: try_lock
-- Takes the lock of a source and kind for this session, unless another load holds it.
SELECT pg_try_advisory_lock(hashtextextended(:key, 0));

-- name: unlock
-- Gives the lock back before the session returns to its pool.
SELECT pg_advisory_unlock(hashtextextended(:key, 0));

-- name: close_dead_runs
-- Closes the rows of our loads that were killed: the lock says that none is running.
UPDATE meta.ingestion_runs
SET status = 'failed', completed_at = clock_timestamp(), error_message = 'Ended without recording a result; closed by the next load.'
WHERE status = 'running' AND source_system = :source_system AND entity_type = :entity_type
  AND metadata ->> 'loader' = 'tdx-dagster';

-- name: previous_start
-- When the last load that completed had begun; what changed since then is not here yet.
SELECT max(started_at) FROM meta.ingestion_runs
WHERE status = 'completed' AND source_system = :source_system AND entity_type = :entity_type
  AND metadata ->> 'loader' = 'tdx-dagster';

-- name: begin_run
-- Records that a load is running.
INSERT INTO meta.ingestion_runs (source_system, entity_type, started_at, metadata)
VALUES (:source_system, :entity_type, clock_timestamp(), CAST(:metadata AS jsonb))
RETURNING CAST(run_id AS text) AS run_id;

-- name: end_run
-- Records how a load ended.
UPDATE meta.ingestion_runs
SET status = :status, completed_at = clock_timestamp(), records_processed = :processed,
    records_created = :created, records_updated = :updated, error_message = :message,
    metadata = metadata || CAST(:metadata AS jsonb)
WHERE run_id = CAST(:run_id AS uuid);

-- name: make_staging
-- The rows of this load, which nobody else sees; anything it takes, bronze takes.
CREATE TEMPORARY TABLE incoming (
    position     bigint NOT NULL,
    external_id  varchar(255) NOT NULL,
    modified_at  timestamptz,
    content_hash text NOT NULL,
    raw_data     jsonb NOT NULL
);

-- name: stage_one
-- Stages one row, where a whole chunk was refused.
INSERT INTO incoming VALUES (:position, :external_id, CAST(:modified_at AS timestamptz), :content_hash, CAST(:text AS jsonb));

-- name: index_staging
-- For the comparisons, which on a first load know nothing of the size of bronze.
CREATE INDEX ON incoming (external_id);
ANALYZE incoming;

-- name: compare
-- Which staged rows differ from the latest version in bronze; of one id twice the last modified (case E16).
CREATE TEMPORARY TABLE changed AS
SELECT newest.position, latest.raw_id IS NULL AS is_new
FROM (
    SELECT DISTINCT ON (external_id) position, external_id, content_hash FROM incoming
    ORDER BY external_id, modified_at DESC NULLS LAST, position DESC
) AS newest
LEFT JOIN LATERAL (
    SELECT raw_id, ingestion_metadata ->> 'content_hash' AS content_hash FROM bronze.raw_entities
    WHERE source_system = :source_system AND entity_type = :entity_type AND external_id = newest.external_id
    ORDER BY ingested_at DESC, raw_id LIMIT 1
) AS latest ON true
WHERE latest.content_hash IS DISTINCT FROM newest.content_hash;

-- name: store
-- Appends the changed rows, or one of them.
INSERT INTO bronze.raw_entities (entity_type, source_system, external_id, raw_data, ingestion_run_id, ingestion_metadata)
SELECT :entity_type, :source_system, external_id, raw_data, CAST(:run_id AS uuid),
       jsonb_build_object('content_hash', content_hash, 'modified_at', modified_at)
FROM incoming JOIN changed USING (position)
WHERE CAST(:only AS bigint) IS NULL OR position = CAST(:only AS bigint);

-- name: changed
-- The changed rows by position.
SELECT position, external_id FROM changed JOIN incoming USING (position) ORDER BY position;

-- name: forget_changed
-- Takes a row that bronze refused out of the count.
DELETE FROM changed WHERE position = :position;

-- name: count_changed
-- How many rows are new, and how many are new versions.
SELECT count(*) FILTER (WHERE is_new) AS created, count(*) FILTER (WHERE NOT is_new) AS updated FROM changed;

-- name: count_staged
-- How many rows were staged, and of how many entities.
SELECT count(*) AS records, count(DISTINCT external_id) AS entities FROM incoming;

-- name: count_known
-- How many entities of this kind bronze has by now.
SELECT count(*) FROM (
    SELECT DISTINCT external_id FROM bronze.raw_entities
    WHERE source_system = :source_system AND entity_type = :entity_type
) AS entities;

-- name: find_gone
-- Entities that a full load did not see, and how many there were.
CREATE TEMPORARY TABLE gone AS
SELECT latest.raw_id, NOT EXISTS (SELECT FROM incoming WHERE incoming.external_id = latest.external_id)
       AND latest.external_id <> ALL (CAST(:also_seen AS text[])) AS is_gone
FROM (
    SELECT DISTINCT ON (external_id) raw_id, external_id, ingestion_metadata ->> 'gone' AS gone
    FROM bronze.raw_entities WHERE source_system = :source_system AND entity_type = :entity_type
    ORDER BY external_id, ingested_at DESC, raw_id
) AS latest
WHERE latest.gone IS NULL;

-- name: count_gone
-- How many were not seen, of how many.
SELECT count(*) FILTER (WHERE is_gone) AS gone, count(*) AS known FROM gone;

-- name: mark_gone
-- Appends a version that says so: the same record, with a sum that any returning record differs from.
INSERT INTO bronze.raw_entities (entity_type, source_system, external_id, raw_data, ingestion_run_id, ingestion_metadata)
SELECT entity_type, source_system, external_id, raw_data, CAST(:run_id AS uuid),
       jsonb_build_object('content_hash', 'gone', 'gone', true, 'modified_at', ingestion_metadata -> 'modified_at')
FROM bronze.raw_entities JOIN gone USING (raw_id) WHERE is_gone;

-- name: drop_staging
-- The session goes back to its pool without them.
DROP TABLE IF EXISTS incoming, changed, gone;

-- name: analyze
-- Lookups after a bulk load would otherwise read whole tables.
ANALYZE bronze.raw_entities;

-- name: owners
-- People who own an asset by its latest version, and whom bronze does not know or has not asked about for a while.
SELECT owner FROM (
    SELECT DISTINCT lower(latest.owner) AS owner FROM (
        SELECT DISTINCT ON (external_id) raw_data ->> 'OwningCustomerID' AS owner FROM bronze.raw_entities
        WHERE source_system = :source_system AND entity_type = ANY (CAST(:asset_types AS text[]))
        ORDER BY external_id, ingested_at DESC, raw_id
    ) AS latest
) AS owners
WHERE owner ~ '^[0-9a-f-]{36}$' AND owner <> '00000000-0000-0000-0000-000000000000'
ORDER BY owner;
