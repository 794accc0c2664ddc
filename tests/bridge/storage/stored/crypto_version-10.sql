CREATE TABLE crypto_version (version INTEGER PRIMARY KEY);
CREATE TABLE crypto_account ( account_id TEXT PRIMARY KEY, device_id TEXT NOT NULL, shared BOOLEAN NOT NULL, sync_token TEXT NOT NULL, account BLOB NOT NULL );
CREATE TABLE crypto_olm_session ( account_id TEXT, session_id TEXT, sender_key TEXT NOT NULL, session BLOB NOT NULL, created_at TEXT NOT NULL, last_decrypted TEXT NOT NULL, last_encrypted TEXT NOT NULL, PRIMARY KEY (account_id, session_id) );
INSERT INTO crypto_account (account_id, device_id, shared, sync_token, account) VALUES ('kept', 'kept', 1, 'kept', x'00ff');
INSERT INTO crypto_olm_session (account_id, session_id, sender_key, session, created_at, last_decrypted, last_encrypted) VALUES ('kept', 'kept', 'kept', x'00ff', 'kept', 'kept', 'kept');
INSERT INTO crypto_version (version) VALUES (10);
