-- Each process signs in for itself: one call of a run's 150 does not repay keys, sealing and a shared table.

DROP TABLE IF EXISTS meta.shared_token;
