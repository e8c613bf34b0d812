// Ends what a test started, however the test process went. Standard library only, so that it builds in a second and offline.
module highwater.test/servers/supervisor

go 1.26.0
