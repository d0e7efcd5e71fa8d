-- Prosody for the tests of xtls-agent; testpeer fills in what stands in braces.
{{if .Root}}run_as_root = true{{end}}
daemonize    = false
data_path    = "{{.Dir}}/data"
pidfile      = "{{.Dir}}/prosody.pid"
plugin_paths = { "/usr/lib/prosody/modules"{{with .ModulePath}}, "{{.}}"{{end}} }
log          = { { levels = { min = "{{if .Debug}}debug{{else}}info{{end}}" }, to = "console" } }

interfaces           = { "127.0.0.1" }
local_interfaces     = { "127.0.0.1" }
c2s_ports            = { {{.Port}} }
c2s_direct_tls_ports = { {{.DirectPort}} }
s2s_ports            = { {{.FederationPort}} }
s2s_direct_tls_ports = { }
http_ports           = { }
https_ports          = { }
network_settings     = { nagle = false }

c2s_require_encryption = {{if .Plain}}false{{else}}true{{end}}
allow_registration = false
authentication     = "internal_hashed"
password_hash      = "SHA-256"
storage            = "internal"

modules_enabled = {
  "roster"; "saslauth"; "tls"; "disco"; "pep"; "ping"; "smacks"; "carbons"; "csi"; "private"; "time"; "version";
  "sasl2"; "sasl2_bind2"; "sasl2_fast"; "sasl2_sm"; "adhoc"; "admin_adhoc"; {{if .StockLimits}}"limits";{{end}}
  {{range .Modules}}"{{.}}"; {{end}}
}
{{if .DNS}}
-- Others prove who they are by a certificate of the test's CA.
s2s_secure_auth = true
unbound = { resolvconf = false, hoststxt = false,
  forward = { "127.0.0.1@{{.DNS}}" }, 
  options = { ["do-not-query-localhost:"] = "no" } }
{{end}}
modules_disabled = { {{if not .DNS}}"s2s"; {{end}}{{range .Without}}"{{.}}"; {{end}}}
admins = { "admin@{{.Domain}}" } -- may run commands: a peer for xmpp/adhoc
{{if .StockLimits}}limits = { c2s = { rate = "10kb/s" } }{{end}}
smacks_hibernation_time = {{.Hibernation}}
pep_max_items = 256
{{.Settings}}

ssl = { key = "{{.KeyFile}}"; certificate = "{{.CertFile}}"; cafile = "{{.CAFile}}"; }

VirtualHost "{{.Domain}}"
