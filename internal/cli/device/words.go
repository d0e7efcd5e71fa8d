package device

import (
	"regexp"

	"xtls-agent/internal/cli"
)

// inWords is an error in one line for people: without the package that it comes from, which is of use to who reads the log.
func inWords(err error) string {
	origin := regexp.MustCompile(`^(agent|button|c2s|display|output): (opening "[^"]*": )?`)
	return cli.OneLine(origin.ReplaceAllString(err.Error(), ""))
}
