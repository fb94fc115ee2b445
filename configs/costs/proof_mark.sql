-- Whether anything was published meanwhile.
SELECT COUNT(*) AS manifests, MAX(manifest_id) AS newest FROM x_load_manifests
