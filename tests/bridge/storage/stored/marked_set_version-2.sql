CREATE TABLE marked_set_version (version INTEGER PRIMARY KEY);
CREATE TABLE marked_set (name TEXT PRIMARY KEY, version BIGINT NOT NULL, mac BLOB NOT NULL);
INSERT INTO marked_set (name, version, mac) VALUES ('kept', 7, x'00ff');
INSERT INTO marked_set_version (version) VALUES (2);
