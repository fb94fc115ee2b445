SELECT
  c.org_slug,
  CASE WHEN c.provider = 'gcp' THEN 'GCP_SA' ELSE c.provider END AS provider,
  c.credential_id,
  c.credential_name,
  c.encrypted_credential,
  c.fingerprint,
  c.subject,
  c.validation_status,
  c.validated_at,
  c.created_at,
  c.updated_at
FROM org_integration_credentials AS c
