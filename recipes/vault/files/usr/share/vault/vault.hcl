# The configuration of Vault, first copied here from /usr/share/vault/vault.hcl. Change it in
# /etc/vault.d/, where every file counts, then restart vault.service and unseal.

ui = true

# This machine alone, so without TLS. Before other machines may reach it, give it a certificate.
listener "tcp" {
  address     = "127.0.0.1:8200"
  tls_disable = true
}

api_addr     = "http://127.0.0.1:8200"
cluster_addr = "https://127.0.0.1:8201"

storage "raft" {
  path    = "/var/lib/vault"
  node_id = "vault"
}

# The unit keeps Vault's memory out of swap; integrated storage can't be locked into memory.
disable_mlock = true
