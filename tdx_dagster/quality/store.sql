-- name: candidates
-- Of some tickets, those whose last result of `add_asset` has not been judged.
SELECT log.ticket_id
FROM meta.daemon_action_log AS log
LEFT JOIN meta.discovery_ticket AS ticket USING (ticket_id)
WHERE log.ticket_id = ANY(CAST(:ticket_ids AS bigint[]))
  AND log.action_type = 'add_asset' AND log.status = 'completed'
  AND log.metadata -> 'details' ? 'reason'
GROUP BY log.ticket_id
HAVING max(ticket.ripe_at) IS NULL OR max(ticket.judged_at) < max(log.executed_at);

-- name: add_ripe
-- Note tickets that people are done with, to be judged.
INSERT INTO meta.discovery_ticket (ticket_id, requestor_uid)
SELECT * FROM unnest(CAST(:ticket_ids AS bigint[]), CAST(:requestors AS varchar[]))
ON CONFLICT (ticket_id) DO UPDATE SET
    requestor_uid = EXCLUDED.requestor_uid, ripe_at = clock_timestamp(), judged_at = NULL;

-- name: oldest_result
-- When `add_asset` was first done with on a ticket.
SELECT min(executed_at) AS at FROM meta.daemon_action_log
WHERE action_type = 'add_asset' AND status = 'completed' AND metadata -> 'details' ? 'reason';

-- name: sweeps
-- Until when tickets were searched, by sweep.
SELECT sweep, until FROM meta.discovery_sweep;

-- name: swept
-- Note until when tickets were searched.
INSERT INTO meta.discovery_sweep (sweep, until) VALUES (:sweep, :until)
ON CONFLICT (sweep) DO UPDATE SET until = EXCLUDED.until;

-- name: waiting
-- Tickets to be judged, those that wait longest first.
SELECT ticket_id, requestor_uid FROM meta.discovery_ticket
WHERE judged_at IS NULL ORDER BY ripe_at, ticket_id LIMIT :most;

-- name: count_waiting
-- How many tickets are to be judged.
SELECT count(*) FROM meta.discovery_ticket WHERE judged_at IS NULL;

-- name: results
-- What `add_asset` has found on some tickets, by any of its versions.
SELECT ticket_id, pipeline, executed_at, metadata FROM meta.daemon_action_log
WHERE ticket_id = ANY(CAST(:ticket_ids AS bigint[])) AND action_type = 'add_asset'
  AND status = 'completed' AND metadata -> 'details' ? 'reason'
ORDER BY ticket_id, executed_at, action_id;

-- name: links
-- The computers the robot has linked to some tickets: the first time it was known to be done.
SELECT ticket_id, detail, at FROM meta.action_attempt
WHERE ticket_id = ANY(CAST(:ticket_ids AS bigint[])) AND effect LIKE 'attach:%'
  AND event IN ('done', 'reconciled')
ORDER BY ticket_id, attempt_id;

-- name: forget_verdicts
-- Remove the verdicts of a ticket before they are stored anew.
DELETE FROM meta.discovery_verdict WHERE ticket_id = :ticket_id AND source = 'people';

-- name: add_verdict
-- Store the verdict about a computer on a ticket.
INSERT INTO meta.discovery_verdict
    (ticket_id, asset_id, source, verdict, evidence, asset_name, pipeline, acted_at)
VALUES (:ticket_id, :asset_id, :source, :verdict, :evidence, :asset_name, :pipeline, :acted_at)
ON CONFLICT (ticket_id, asset_id, source) DO UPDATE SET
    verdict = EXCLUDED.verdict, evidence = EXCLUDED.evidence, asset_name = EXCLUDED.asset_name,
    pipeline = EXCLUDED.pipeline, acted_at = EXCLUDED.acted_at, judged_at = clock_timestamp();

-- name: judged
-- Note that a ticket was judged.
UPDATE meta.discovery_ticket SET judged_at = clock_timestamp() WHERE ticket_id = :ticket_id;

-- name: verdicts
-- All verdicts of a source, the latest first.
SELECT ticket_id, asset_id, verdict, evidence, asset_name, pipeline, acted_at
FROM meta.discovery_verdict WHERE source = :source
ORDER BY acted_at DESC, ticket_id DESC, asset_id;

-- name: count_judged
-- How many tickets were judged.
SELECT count(*) FROM meta.discovery_ticket WHERE judged_at IS NOT NULL;

-- name: draw
-- Draw at random, each with the same chance: computers that were attached, and tickets (asset 0) on which none was
-- found; neither drawn nor judged by a person before.
INSERT INTO meta.discovery_sample (ticket_id, asset_id)
SELECT ticket_id, asset_id FROM (
    SELECT DISTINCT ticket_id, CAST(detail ->> 'asset_id' AS bigint) AS asset_id
    FROM meta.action_attempt
    WHERE effect LIKE 'attach:%' AND event IN ('done', 'reconciled') AND detail ? 'asset_id'
    UNION ALL
    SELECT ticket_id, 0 FROM meta.daemon_action_log
    WHERE action_type = 'add_asset' AND status = 'completed' AND metadata -> 'details' ? 'reason'
    GROUP BY ticket_id
    HAVING bool_and(COALESCE(metadata #> '{details, attached}', '[]') = '[]'
                    AND COALESCE(metadata #> '{details, already}', '[]') = '[]'
                    AND COALESCE(metadata #> '{details, not_attached}', '[]') = '[]'
                    AND COALESCE(metadata #> '{details, left_over}', '[]') = '[]'
                    AND metadata #>> '{details, reason}' <> 'has_assets')
) AS found
WHERE NOT EXISTS (
    SELECT 1 FROM meta.discovery_sample AS drawn
    WHERE drawn.ticket_id = found.ticket_id AND drawn.asset_id = found.asset_id)
ORDER BY random() LIMIT :most
ON CONFLICT DO NOTHING;

-- name: open_sample
-- What was drawn and nobody has judged.
SELECT drawn.ticket_id, drawn.asset_id
FROM meta.discovery_sample AS drawn
WHERE NOT EXISTS (
    SELECT 1 FROM meta.discovery_verdict AS verdict
    WHERE verdict.ticket_id = drawn.ticket_id AND verdict.source = 'sample'
      AND (verdict.asset_id = drawn.asset_id OR drawn.asset_id = 0))
ORDER BY drawn.drawn_at, md5(drawn.ticket_id::text || ':' || drawn.asset_id::text);
