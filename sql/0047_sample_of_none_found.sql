-- A person who is asked may say of a ticket on which the robot found no computer that there was none to find.

ALTER TABLE meta.discovery_verdict DROP CONSTRAINT IF EXISTS discovery_verdict_verdict_check;
ALTER TABLE meta.discovery_verdict ADD CONSTRAINT discovery_verdict_verdict_check
CHECK (verdict IN ('kept', 'removed', 'replaced', 'unseen', 'miss', 'none'));

COMMENT ON COLUMN meta.discovery_verdict.verdict IS 'unseen: nobody worked on the ticket afterwards; it counts neither for nor against. none, asset 0: the robot found no computer, and a person who was asked knows of none.';
COMMENT ON COLUMN meta.discovery_sample.asset_id IS '0: a ticket on which the robot found none.';
