CREATE TABLE matrix_identity_version (version INTEGER PRIMARY KEY);
CREATE TABLE matrix_identity ( user_id TEXT PRIMARY KEY, device_id TEXT NOT NULL, ready BOOLEAN NOT NULL, cursor TEXT NOT NULL );
CREATE TABLE matrix_wedged ( identity TEXT NOT NULL, user_id TEXT NOT NULL, sender_key TEXT NOT NULL, since_ms BIGINT NOT NULL, open BOOLEAN NOT NULL, PRIMARY KEY (identity, user_id, sender_key) );
CREATE TABLE matrix_anew ( user_id TEXT NOT NULL, sender_key TEXT NOT NULL, PRIMARY KEY (user_id, sender_key) );
INSERT INTO matrix_identity (user_id, device_id, ready, cursor) VALUES ('kept', 'kept', 1, 'kept');
INSERT INTO matrix_wedged (identity, user_id, sender_key, since_ms, open) VALUES ('kept', 'kept', 'kept', 7, 1);
INSERT INTO matrix_anew (user_id, sender_key) VALUES ('kept', 'kept');
INSERT INTO matrix_identity_version (version) VALUES (2);
