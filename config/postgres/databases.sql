-- The two databases of a venue, each with an owner of its own, who may not even look into the other. PostgreSQL's container runs this
-- once, when its volume is empty; the passwords come from the files of its secrets.
\set ON_ERROR_STOP on
\set clearing_password `cat /run/secrets/clearing_password`
\set history_password `cat /run/secrets/history_password`

CREATE ROLE clearing LOGIN PASSWORD :'clearing_password';
CREATE DATABASE clearing_data OWNER clearing TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
REVOKE CONNECT, TEMPORARY ON DATABASE clearing_data FROM PUBLIC;

CREATE ROLE history LOGIN PASSWORD :'history_password';
CREATE DATABASE market_data OWNER history TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
REVOKE CONNECT, TEMPORARY ON DATABASE market_data FROM PUBLIC;
