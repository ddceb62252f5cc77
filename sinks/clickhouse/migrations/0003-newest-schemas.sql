-- weir.schemas is a compacted topic: of each key the newest record counts, and a tombstone deletes. The table has all of them.
CREATE OR REPLACE VIEW {database}.weir_newest_schemas{on_cluster}
AS SELECT
    fingerprint,
    argMax(name, _offset) AS name,
    argMax(schema, _offset) AS schema,
    max(announced_at) AS announced_at
FROM {database}.weir_schemas
GROUP BY fingerprint
HAVING NOT argMax(_deleted, _offset);

CREATE OR REPLACE DICTIONARY {database}.weir_schemas_dictionary{on_cluster}
(
    `fingerprint` String,
    `name` String DEFAULT 'unknown',
    `schema` String
)
PRIMARY KEY `fingerprint`
SOURCE({dictionary_source weir_newest_schemas})
LAYOUT(COMPLEX_KEY_HASHED())
LIFETIME(MIN 5 MAX 10)
COMMENT 'Schemas by fingerprint, looked up in memory; up to 10 s old';
