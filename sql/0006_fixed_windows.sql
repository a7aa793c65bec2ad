-- TDX's windows are fixed: all calls of one become free again at the same moment, and not one after the other as
-- they were made. What the headers say of the window's end is used to free them together.

-- Lets the calls made in the window that began at a given moment count as made at its beginning: at the first of
-- them, or a second after the moment that the headers give, which are cut to whole seconds.
CREATE OR REPLACE FUNCTION meta.rate_join(slots timestamptz[], begun timestamptz, moment timestamptz)
RETURNS timestamptz[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(held ORDER BY held), '{}')
    FROM unnest(slots) AS one (granted),
         LATERAL (SELECT min(other) FROM unnest(slots) AS all_slots (other) WHERE other > begun) AS first (made),
         LATERAL (SELECT CASE WHEN granted > begun AND granted <= moment
                         THEN least(granted, greatest(first.made, begun + interval '1 second'))
                         ELSE granted END) AS joined (held)
$$;

CREATE OR REPLACE FUNCTION meta.rate_learn(
    rate_key text, calls integer, remaining integer, reset_in double precision,
    news double precision, shortest double precision, longest double precision
) RETURNS void LANGUAGE plpgsql SET lock_timeout = '10s' AS $$
DECLARE
    state  meta.rate_window;
    moment timestamptz;
    begun  timestamptz;
    width  interval;
    others integer := 0;
BEGIN
    SELECT * INTO state FROM meta.rate_window WHERE key = rate_key FOR UPDATE;
    IF NOT FOUND OR calls = 0 THEN
        -- A method once known to be limited stays so, whatever a proxy does to its headers.
        UPDATE meta.rate_window SET learned = 0 WHERE key = rate_key AND learned IS NULL;
        RETURN;
    END IF;
    state.slots := meta.rate_resize(state.slots, calls);
    moment := clock_timestamp();
    -- At the first call of a window its end shows its length.
    IF remaining = calls - 1 AND reset_in BETWEEN shortest AND longest AND abs(reset_in - state.period) > news THEN
        state.learned_period := reset_in;
        state.period := reset_in;
    END IF;
    width := make_interval(secs => state.period);
    IF remaining IS NOT NULL AND reset_in IS NOT NULL THEN
        others := calls - remaining - (SELECT count(*) FROM unnest(state.slots) AS granted WHERE granted > moment - width);
        begun := moment + least(make_interval(secs => greatest(reset_in, 0)), width) - width;
        state.slots := meta.rate_hold(state.slots, others, begun);
        -- A clock that is wrong by hours says nothing about where a window begins.
        IF reset_in BETWEEN 0 AND state.period + news THEN
            state.slots := meta.rate_join(state.slots, begun, moment);
        END IF;
    END IF;
    UPDATE meta.rate_window
    SET learned = calls, slots = state.slots, period = state.period, learned_period = state.learned_period
    WHERE key = rate_key;
END $$;
