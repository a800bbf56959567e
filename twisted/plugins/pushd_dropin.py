"""Makes `pushd` known to twistd and twist."""

from twisted.application.service import ServiceMaker

pushd = ServiceMaker(
    "pushd", "pushd.tap", "Deliver Apple push notifications: durable queue, HTTP/2.", "pushd"
)
