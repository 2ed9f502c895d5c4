# The configuration of the Consul agent, first copied here from /usr/share/consul/consul.hcl. Other
# files in this folder are read too. Then: systemctl reload consul, or restart for what needs it.

data_dir = "/var/lib/consul"

# Who may use HTTP, DNS and gRPC: this machine. Turn ACLs on before you open it to others.
client_addr = "127.0.0.1"

# The address that other agents reach this one at, where the machine has several:
#bind_addr = "{{ GetInterfaceIP \"eth0\" }}"

# A client joins servers:
#retry_join = ["consul-1.example.com", "consul-2.example.com", "consul-3.example.com"]

# A server is one of three or five:
#server           = true
#bootstrap_expect = 3
