-- One rate limiter for every process and machine of an installation: the last grants of each key in one row.

CREATE TABLE IF NOT EXISTS meta.rate_window (
    key   text PRIMARY KEY,
    slots timestamptz[] NOT NULL
) WITH (fillfactor = 50);

-- Reserves the next free slot of a key and says how many seconds to wait before using it.
CREATE OR REPLACE FUNCTION meta.rate_reserve(rate_key text, calls integer, period double precision)
RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
    taken   timestamptz[];
    moment  timestamptz;
    granted timestamptz;
BEGIN
    INSERT INTO meta.rate_window (key, slots)
    VALUES (rate_key, array_fill('-infinity'::timestamptz, ARRAY[calls])) ON CONFLICT DO NOTHING;
    SELECT slots INTO taken FROM meta.rate_window WHERE key = rate_key FOR UPDATE;
    -- A changed limit: the newest grants count, older ones are forgotten or padded.
    WHILE cardinality(taken) > calls LOOP taken := taken[2:]; END LOOP;
    WHILE cardinality(taken) < calls LOOP taken := '-infinity'::timestamptz || taken; END LOOP;
    -- Read after the row lock, so that whoever waited for it is not granted the past.
    moment := clock_timestamp();
    granted := greatest(moment, taken[1] + make_interval(secs => period));
    UPDATE meta.rate_window SET slots = taken[2:] || granted WHERE key = rate_key;
    RETURN extract(epoch FROM granted - moment);
END $$;
