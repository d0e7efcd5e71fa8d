# What the scripts beside this one share: how the machine gets at Debian 12.

# debian_source prints "URI key" of the machine's own entry for Debian 12, from either form of apt's sources, so that
# whatever is added comes from the mirror that the rest of the machine comes from. The key may be empty (apt's default).
debian_source() {
    awk '
        function flush() { if (uri != "" && suites ~ / bookworm /) { print uri, key; exit } uri = suites = key = "" }
        FNR == 1 || /^[[:space:]]*$/ { flush() }
        /^URIs:/      { uri = $2 }
        /^Suites:/    { suites = " "; for (i = 2; i <= NF; i++) suites = suites $i " " }
        /^Signed-By:/ { key = $2 }
        END           { flush() }
    ' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1 | grep . && return
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk '
        $1 == "deb" {
            key = ""
            if (match($0, /signed-by=[^] ]+/)) key = substr($0, RSTART + 10, RLENGTH - 10)
            sub(/\[[^]]*\] */, "")
            if ($3 == "bookworm") { print $2, key; exit }
        }' | grep .
}
