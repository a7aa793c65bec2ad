-- What each statement sets for its transaction: waiting for the disk would cost every call, and a process that is
-- suspended between statement and COMMIT must not hold up all others.

-- name: reserve
-- Reserves the next slot of a key; gives the seconds to wait for it.
SELECT meta.rate_reserve(:key, :calls, :period, :max_wait)
FROM
    set_config('synchronous_commit', 'off', true),
    set_config('lock_timeout', '10s', true),
    set_config('idle_in_transaction_session_timeout', '10s', true);

-- name: learn
-- Takes over what the rate headers of an answer say.
SELECT meta.rate_learn(:key, :calls, :remaining, :reset_in, :news, :shortest, :longest)
FROM
    set_config('synchronous_commit', 'off', true),
    set_config('lock_timeout', '10s', true),
    set_config('idle_in_transaction_session_timeout', '10s', true);

-- name: penalise
-- Holds every call of a key back after a 429.
SELECT meta.rate_penalise(:key, :wait)
FROM
    set_config('synchronous_commit', 'off', true),
    set_config('lock_timeout', '10s', true),
    set_config('idle_in_transaction_session_timeout', '10s', true);
