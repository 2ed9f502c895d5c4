# The configuration of Nomad, first copied here from /usr/share/nomad/nomad.hcl. Change it in
# /etc/nomad.d/, where every file counts, then `systemctl reload nomad` or restart it.

# A cluster of one, for this machine alone.
data_dir  = "/var/lib/nomad"
bind_addr = "127.0.0.1"

server {
  enabled          = true
  bootstrap_expect = 1
}

client {
  enabled = true
}

# Jobs can do what root can, so nobody submits one without a token: nomad acl bootstrap
acl {
  enabled = true
}
