module xtls-agent/bench

go 1.26.0

require xtls-agent v0.0.0

replace xtls-agent => ../
