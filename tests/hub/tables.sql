-- The tables of a data hub that other jobs fill, with the older daemon's log: columns, types, constraints,
-- indexes and views that a take-over meets. Not every column of the wide tables is here.
-- Not every build of PostgreSQL brings the extension; the defaults only need its function.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'uuid-ossp') THEN
        CREATE EXTENSION "uuid-ossp";
    ELSE
        CREATE FUNCTION uuid_generate_v4() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()';
    END IF;
END $$;
CREATE SCHEMA bronze;
CREATE SCHEMA silver;
CREATE SCHEMA gold;
CREATE SCHEMA meta;

CREATE TABLE meta.ingestion_runs (
    run_id uuid NOT NULL DEFAULT uuid_generate_v4(),
    source_system varchar(50) NOT NULL,
    entity_type varchar(50) NOT NULL,
    started_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    completed_at timestamptz,
    status varchar(20) DEFAULT 'running',
    records_processed integer DEFAULT 0,
    records_created integer DEFAULT 0,
    records_updated integer DEFAULT 0,
    error_message text,
    metadata jsonb DEFAULT '{}'::jsonb,
    PRIMARY KEY (run_id),
    CHECK (status IN ('running', 'completed', 'failed'))
);

CREATE TABLE bronze.raw_entities (
    raw_id uuid NOT NULL DEFAULT uuid_generate_v4(),
    entity_type varchar(50) NOT NULL,
    source_system varchar(50) NOT NULL,
    external_id varchar(255) NOT NULL,
    raw_data jsonb NOT NULL,
    ingested_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    ingestion_run_id uuid,
    entity_hash varchar(64) GENERATED ALWAYS AS (
        encode(sha256((entity_type || '|' || source_system || '|' || external_id)::bytea), 'hex')) STORED,
    ingestion_metadata jsonb DEFAULT '{}'::jsonb,
    PRIMARY KEY (raw_id),
    FOREIGN KEY (ingestion_run_id) REFERENCES meta.ingestion_runs (run_id)
);

CREATE TABLE silver.users (
    uniqname varchar(50) NOT NULL,
    silver_id uuid DEFAULT uuid_generate_v4(),
    tdx_user_uid uuid,
    umich_empl_id varchar(10),
    umich_empl_ids jsonb DEFAULT '[]'::jsonb,
    ldap_uid_number bigint,
    ldap_gid_number bigint,
    ad_object_guid text,
    ad_sam_account_name text,
    ad_object_sid text,
    first_name text,
    last_name text,
    full_name text,
    preferred_name text,
    primary_email text,
    work_phone text,
    work_phone_extension text,
    mobile_phone text,
    work_address_line1 text,
    work_address_line2 text,
    work_address_line3 text,
    work_city text,
    work_state text,
    work_postal_code text,
    work_country text,
    department_id varchar(10),
    department_name text,
    department_ids jsonb DEFAULT '[]'::jsonb,
    job_title text,
    department_job_title text,
    primary_job_code varchar(10),
    job_codes jsonb DEFAULT '[]'::jsonb,
    primary_supervisor_id varchar(10),
    primary_supervisor_uniqname text,
    supervisor_ids jsonb DEFAULT '[]'::jsonb,
    reports_to_uid uuid,
    is_pi boolean DEFAULT false,
    is_active boolean DEFAULT true,
    is_employee boolean,
    ad_account_disabled boolean,
    ingestion_run_id uuid REFERENCES meta.ingestion_runs (run_id),
    data_quality_score numeric CHECK (data_quality_score BETWEEN 0.00 AND 1.00),
    PRIMARY KEY (uniqname),
    UNIQUE (silver_id)
);

CREATE TABLE silver.tdx_assets (
    tdx_asset_id integer NOT NULL,
    tag varchar(50),
    name varchar(255) NOT NULL,
    uri varchar(255),
    external_id text,
    serial_number varchar(100),
    app_id integer NOT NULL,
    app_name varchar(255),
    form_id integer NOT NULL,
    form_name varchar(255),
    status_id integer NOT NULL,
    status_name varchar(100),
    parent_id integer,
    parent_tag varchar(50),
    parent_name varchar(255),
    parent_serial_number varchar(100),
    configuration_item_id integer NOT NULL,
    location_id integer,
    location_name varchar(255),
    location_room_id integer,
    location_room_name varchar(255),
    owning_customer_id uuid,
    owning_customer_name varchar(255),
    owning_department_id integer,
    owning_department_name varchar(255),
    requesting_customer_id uuid,
    requesting_customer_name varchar(255),
    requesting_department_id integer,
    requesting_department_name varchar(255),
    purchase_cost numeric,
    acquisition_date timestamptz,
    expected_replacement_date timestamptz,
    manufacturer_id integer,
    manufacturer_name varchar(255),
    product_model_id integer,
    product_model_name varchar(255),
    supplier_id integer,
    supplier_name varchar(255),
    maintenance_schedule_id integer,
    maintenance_schedule_name varchar(255),
    attributes jsonb DEFAULT '[]'::jsonb,
    attr_mac_address text,
    attr_operating_system_name text,
    attr_last_inventoried_date timestamptz,
    raw_id uuid,
    ingestion_run_id uuid REFERENCES meta.ingestion_runs (run_id),
    PRIMARY KEY (tdx_asset_id)
);

CREATE TABLE silver.tdx_users (
    tdx_user_uid uuid NOT NULL,
    uniqname varchar(50),
    external_id varchar(50),
    username varchar(255),
    first_name varchar(255),
    middle_name varchar(255),
    last_name varchar(255),
    full_name varchar(255),
    nickname varchar(255),
    primary_email varchar(255),
    alternate_email varchar(255),
    alert_email varchar(255),
    work_phone varchar(50),
    mobile_phone varchar(50),
    home_phone varchar(50),
    fax varchar(50),
    other_phone varchar(50),
    pager varchar(50),
    im_provider varchar(100),
    im_handle varchar(255),
    work_address varchar(255),
    work_city varchar(100),
    work_state varchar(50),
    work_zip varchar(20),
    work_country varchar(100),
    title varchar(255),
    company varchar(255),
    default_account_id integer,
    default_account_name varchar(255),
    location_id integer,
    location_name varchar(255),
    location_room_id integer,
    location_room_name varchar(255),
    reports_to_uid uuid,
    reports_to_full_name varchar(255),
    is_active boolean NOT NULL DEFAULT true,
    is_employee boolean,
    is_confidential boolean,
    authentication_provider_id integer,
    authentication_user_name varchar(255),
    raw_id uuid,
    ingestion_run_id uuid REFERENCES meta.ingestion_runs (run_id),
    PRIMARY KEY (tdx_user_uid)
);

CREATE TABLE silver.computers (
    silver_id uuid NOT NULL DEFAULT uuid_generate_v4(),
    computer_id varchar(100) NOT NULL,
    computer_name varchar(255) NOT NULL,
    computer_name_aliases jsonb DEFAULT '[]'::jsonb,
    serial_number varchar(100),
    serial_numbers jsonb DEFAULT '[]'::jsonb,
    mac_address varchar(17),
    mac_addresses jsonb DEFAULT '[]'::jsonb,
    tdx_asset_id integer,
    tdx_tag varchar(50),
    tdx_status_id integer,
    tdx_status_name varchar(100),
    tdx_form_id integer,
    tdx_form_name varchar(255),
    tdx_configuration_item_id integer,
    tdx_external_id varchar(100),
    tdx_uri varchar(255),
    ad_object_guid uuid,
    ad_object_sid varchar(100),
    ad_sam_account_name varchar(20),
    ad_dns_hostname varchar(60),
    ad_distinguished_name text,
    kc_mac_address varchar(20),
    owner_uniqname varchar(50),
    owner_department_id varchar(50),
    manufacturer varchar(255),
    product_model varchar(255),
    os_family varchar(50),
    os_name varchar(255),
    os_version varchar(100),
    os_install_date timestamptz,
    cpu varchar(255),
    cpu_cores smallint,
    cpu_sockets smallint,
    cpu_speed_mhz integer,
    ram_mb integer,
    disk_gb numeric,
    disk_free_gb numeric,
    is_active boolean NOT NULL DEFAULT true,
    is_ad_enabled boolean,
    ingestion_run_id uuid REFERENCES meta.ingestion_runs (run_id),
    financial_owner_uniqname varchar(50) REFERENCES silver.users (uniqname) ON DELETE SET NULL,
    data_quality_score numeric CHECK (data_quality_score BETWEEN 0.00 AND 1.00),
    PRIMARY KEY (silver_id),
    UNIQUE (computer_id)
);

CREATE TABLE meta.daemon_action_log (
    log_id uuid NOT NULL DEFAULT uuid_generate_v4(),
    ticket_id integer NOT NULL,
    action_type varchar(100) NOT NULL,
    action_id varchar(255) NOT NULL,
    action_hash varchar(64),
    executed_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    status varchar(20) NOT NULL DEFAULT 'completed',
    error_message text,
    metadata jsonb DEFAULT '{}'::jsonb,
    PRIMARY KEY (log_id),
    CONSTRAINT unique_ticket_action UNIQUE (ticket_id, action_id)
);

CREATE INDEX idx_ingestion_runs_recent ON meta.ingestion_runs (source_system, entity_type, started_at DESC);
CREATE INDEX idx_bronze_entity_lookup ON bronze.raw_entities (entity_type, source_system, external_id);
CREATE INDEX idx_bronze_ingested_at ON bronze.raw_entities (ingested_at DESC);
CREATE INDEX idx_bronze_computer_name ON bronze.raw_entities ((raw_data ->> 'name')) WHERE entity_type = 'computer';
CREATE INDEX idx_bronze_asset_attributes_gin ON bronze.raw_entities USING gin ((raw_data -> 'Attributes'));
CREATE INDEX idx_tdx_assets_attributes_gin ON silver.tdx_assets USING gin (attributes);
CREATE INDEX idx_tdx_assets_form_id ON silver.tdx_assets (form_id);
CREATE INDEX idx_silver_computers_active ON silver.computers (is_active);
CREATE INDEX idx_daemon_log_action_type ON meta.daemon_action_log (action_type);
CREATE INDEX idx_daemon_log_executed_at ON meta.daemon_action_log (executed_at DESC);
CREATE INDEX idx_daemon_log_metadata_gin ON meta.daemon_action_log USING gin (metadata);
CREATE INDEX idx_daemon_log_status ON meta.daemon_action_log (status);
CREATE INDEX idx_daemon_log_ticket ON meta.daemon_action_log (ticket_id);
CREATE INDEX idx_daemon_log_ticket_status ON meta.daemon_action_log (ticket_id, status);

CREATE VIEW meta.daemon_activity_summary AS
SELECT action_type, status, count(*) AS action_count, max(executed_at) AS last_executed,
       min(executed_at) AS first_executed
FROM meta.daemon_action_log GROUP BY action_type, status ORDER BY action_type, status;
CREATE VIEW meta.daemon_recent_activity AS
SELECT log_id, ticket_id, action_type, action_id, status, executed_at, error_message
FROM meta.daemon_action_log
WHERE executed_at >= CURRENT_TIMESTAMP - INTERVAL '24 hours' ORDER BY executed_at DESC;
CREATE VIEW meta.current_ingestion_status AS
SELECT source_system, entity_type, max(completed_at) AS last_completed
FROM meta.ingestion_runs WHERE status = 'completed' GROUP BY source_system, entity_type;
CREATE VIEW gold.active_computers AS
SELECT c.computer_id, c.computer_name, c.tdx_asset_id, a.attr_mac_address
FROM silver.computers AS c LEFT JOIN silver.tdx_assets AS a USING (tdx_asset_id) WHERE c.is_active;
