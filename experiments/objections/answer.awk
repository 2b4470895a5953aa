# SPDX-License-Identifier: GPL-2.0
# ops.csv: what each objection comes to, as differences of the figures.
BEGIN { FS = "," }
NR > 1 { v[$1, $2] = $3 }
function say(what, x) { printf "%-78s %7.3f\n", what, x }
END {
	say("lookup at issue, with its reference: lent buffer less one of user space", v["write-fixed-lent", 1] - v["write-fixed-user", 1])
	say("slot table: REGISTER and UNREGISTER together, the exporter included", v["register-unregister", 0])
	for (n = 1; n <= 4; n++) {
		say("register less one fused command for all, " n " consumers", v["register", n] - v["fused-n", n])
		say("register less one fused command for each, " n " consumers", v["register", n] - v["fused", n])
	}
	say("one more consumer: registered", (v["register", 4] - v["register", 1]) / 3)
	say("one more consumer: one fused command for all", (v["fused-n", 4] - v["fused-n", 1]) / 3)
	say("one more consumer: one fused command for each", (v["fused", 4] - v["fused", 1]) / 3)
}
