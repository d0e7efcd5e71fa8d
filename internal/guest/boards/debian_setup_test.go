package boards

import "strings"

// install installs a package as a person would. A configuration that was changed stays.
func (d *debian) install(version string, deb []byte) {
	d.Helper()
	file := "/root/xtls-agent_" + version + "_amd64.deb"
	if err := d.guest.WriteFile(d.ctx, file, deb, 0o644); err != nil {
		d.Fatal(err)
	}
	d.sh("apt-get -qq install " + file)
	d.want("dpkg-query -W -f '${Status} ${Version}' xtls-agent", "install ok installed "+version)
	d.want("xtls-agent version; xtlsctl version", "xtls-agent "+version+"\nxtlsctl "+version)
	d.step("%s is installed", version)
}

// outOfTheBox: nobody has written anything yet, and it can be paired with by what is on the screen.
func (d *debian) outOfTheBox() {
	d.want("systemctl is-active xtls-agent.service xtls-agent-exec.socket", "active\nactive")
	d.want("systemctl is-enabled xtls-agent.service xtls-agent-exec.socket", "enabled\nenabled")
	d.want("xtls-agent check-config", "/etc/xtls-agent/config.toml: ok")
	d.want("id -Gn xtls-agent | tr ' ' '\\n' | sort | tr '\\n' ' '", "gpio i2c input spi tty video xtls-agent")
	d.want("id -Gn xtls-agent-exec", "xtls-agent-exec")
	d.want("stat -c '%U %G %a' /var/lib/xtls-agent /run/xtls-agent-exec.sock /run/xtls-agent/control.sock",
		"xtls-agent xtls-agent 700\nxtls-agent xtls-agent 600\nxtls-agent xtls-agent 660")
	d.want("stat -c '%G %a' /dev/gpiochip0", "gpio 660")
	d.want(`bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader xtls-agent
		COMP_WORDS=(xtls-agent pairing un); COMP_CWORD=2; COMP_LINE="xtls-agent pairing un"; COMP_POINT=21
		$(complete -p xtls-agent | sed "s/.*-F \([^ ]*\).*/\1/") 2>/dev/null; echo $COMPREPLY'`, "unlock")
	d.want("ls /usr/share/man/man1/xtls* /usr/share/man/man5/xtls* | wc -l", "3")
	// The virtual screen has 8 bits when it is switched on, which no screen that is for people has.
	if err := d.guest.SetScreen(d.ctx, fb, 640, 480, 32); err != nil {
		d.Fatal(err)
	}
	d.sh("systemctl restart xtls-agent.service")
	d.waitPIN(d.look)
}

// setup: a person answers its questions. It stops the service, which holds the screen, and starts it with what was written.
func (d *debian) setup() {
	pid := d.property("MainPID")
	d.sh("echo old >/etc/xtls-agent/password; chmod 644 /etc/xtls-agent/password")
	answers := []string{
		"y",                                  // stop the service
		"Hall", "box@home.example", "sesame", // the account
		"2",                     // whose server does not answer: keep it
		"fb:/dev/fb0", "y", "n", // the picture is seen, and there is no other display
		"none",   // no button
		"y", "y", // write, and start
	}
	said := d.feed(strings.Join(answers, "\n")+"\n", "xtls-agent setup --server 127.0.0.1:9")
	if !strings.Contains(said, "xtls-agent runs") {
		d.Errorf("setup said:\n%s", said)
	}
	d.want("systemctl is-active xtls-agent.service", "active")
	d.want("systemctl is-enabled xtls-agent.service", "enabled")
	if d.property("MainPID") == pid {
		d.Error("the service was not stopped")
	}
	d.want("cd /etc/xtls-agent; stat -c '%U %G %a' config.toml config.toml.2* password password.2*",
		"root root 644\nroot root 644\nxtls-agent xtls-agent 600\nroot root 600")
	d.want("cd /etc/xtls-agent; cat password password.2*; xtls-agent check-config", "sesame\nold\n/etc/xtls-agent/config.toml: ok")
	d.waitPIN(d.look)
	if got := d.sh("xtls-agent status"); !strings.Contains(got, "Hall") {
		d.Errorf("status says:\n%s", got)
	}
}

// labelConfig is that of a device without a display.
const labelConfig = `
name = "box"
display = ["none:"]
button = ["socket:/run/xtls-agent/button"]

[lan]
mdns = false

[pairing]
mode = "fixed"
pin_file = "/etc/xtls-agent/pin"
`

// label: the service reads the PIN that root has drawn for it.
func (d *debian) label() {
	d.sh("cp -p /etc/xtls-agent/config.toml /root/config.toml")
	d.writeFile("/etc/xtls-agent/config.toml", labelConfig, 0o644)
	d.sh("xtls-agent make-label --out /root")
	d.want("stat -c '%U %G %a' /etc/xtls-agent/pin /root/label.pdf", "xtls-agent xtls-agent 600\nroot root 600")
	d.sh("systemctl restart xtls-agent.service")
	d.want("systemctl is-active xtls-agent.service", "active")
	d.sh("cp -p /root/config.toml /etc/xtls-agent/config.toml; systemctl restart xtls-agent.service; rm /root/label.*")
}

// upgrade: state, pairing and configuration stay.
func (d *debian) upgrade(deb []byte) {
	before := d.sh("sha256sum /var/lib/xtls-agent/identity.pem.a /etc/xtls-agent/config.toml")
	pid := d.property("MainPID")
	d.install("0.0.2", deb)
	d.want("sha256sum /var/lib/xtls-agent/identity.pem.a /etc/xtls-agent/config.toml", before)
	d.want("systemctl is-active xtls-agent.service", "active")
	if d.property("MainPID") == pid {
		d.Error("the old version still runs")
	}
	if got := d.sh("xtlsctl call box status"); !strings.Contains(got, "0.0.2") {
		d.Errorf("%s", got)
	}
}

// removeAndPurge: the state stays until it is purged, then all is gone.
func (d *debian) removeAndPurge() {
	d.sh("apt-get -qq remove xtls-agent")
	d.want("test ! -e /usr/bin/xtls-agent; test ! -e /run/xtls-agent-exec.sock; ls /var/lib/xtls-agent/identity.pem.a /etc/xtls-agent/config.toml",
		"/etc/xtls-agent/config.toml\n/var/lib/xtls-agent/identity.pem.a")
	d.wantGone("/usr/bin/[x]tls-agent")
	d.sh(`cd /etc/xtls-agent
touch pin .pin-123 .password.123 .config.toml.123
for file in password config.toml; do touch $file.20261130-150405 $file.20261130-150405-2; done`)
	d.sh("apt-get -qq purge xtls-agent")
	d.want("ls -d /var/lib/xtls-agent /etc/xtls-agent /etc/systemd/system/*/xtls-agent* /lib/systemd/system/xtls* 2>/dev/null || echo gone", "gone")
}
