-- name: reserve
-- Reserves the next slot of a key; gives the seconds to wait for it.
SELECT meta.rate_reserve(:key, :calls, :period, :max_wait);

-- name: learn
-- Takes over what the rate headers of an answer say.
SELECT meta.rate_learn(:key, :calls, :remaining, :reset_in, :news, :shortest, :longest);

-- name: penalise
-- Holds every call of a key back after a 429.
SELECT meta.rate_penalise(:key, :wait);
