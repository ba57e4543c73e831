//! How near users are to their limits.

use prometheus_client::metrics::{family::Family, gauge::Gauge};
use tracer_common::kind::NsKind;

use super::{
    catalogue::{Kind, Metric, Unit, families},
    labels::{NS_TYPE, OfType, OfTypeRank, RANK, RANKS, of_type},
    values::signed,
};
use crate::model::Users;

/// How often all this is taken over.
const LATE: &str = "taken over every ten seconds";

/// Who nobody is.
const NOBODY: i64 = -1;

/// A gauge of namespaces.
const GAUGE: Metric = Metric {
    name: "",
    kind: Kind::Gauge,
    unit: Unit::Of("namespaces"),
    labels: &[NS_TYPE, RANK],
    help: "",
    hooks: &[],
    basis: LATE,
    remedy: "",
    only: None,
};

families! {
    /// Limits, and who is near them.
    Headroom, "Limits of users" {
        used: Family<OfTypeRank, Gauge> = Family::default(), Metric {
            name: "nslife_user_namespaces",
            help: "Namespaces that count against the limit of the user who has the most of that \
                   type, the second most and the third most",
            hooks: &["ns_created", "ns_freed"],
            basis: "whoever made the uppermost user namespace that owns it has it; what the initial \
                    one owns is taken to be root's (docs/users.md); taken over every ten seconds",
            remedy: "near nslife_user_namespaces_limit, nothing new can be made, with \
                     `No space left on device`: nslife_user_id says who it is, \
                     `nslife list --output tree` what is owned",
            ..GAUGE
        };
        who: Family<OfTypeRank, Gauge> = Family::default(), Metric {
            name: "nslife_user_id",
            unit: Unit::Of("a user's number, -1 for nobody"),
            help: "Who that user is, as the initial user namespace numbers users",
            remedy: "nothing: it is a number",
            ..GAUGE
        };
        limit: Family<OfType, Gauge> = Family::default(), Metric {
            name: "nslife_user_namespaces_limit",
            labels: &[NS_TYPE],
            help: "How many of them a user may have, 0 if that cannot be read",
            basis: "/proc/sys/user, every ten seconds; user namespaces may have lower limits of \
                    their own, which are not seen",
            remedy: "nothing; `sysctl user` shows and sets it",
            ..GAUGE
        };
    }
}

impl Default for Headroom {
    /// With every series.
    fn default() -> Self {
        let headroom = Self::empty();
        headroom.users(&Users::default());
        headroom.limits(&[0; NsKind::COUNT]);
        headroom
    }
}

impl Headroom {
    /// Takes over who has the most.
    pub(super) fn users(&self, users: &Users) {
        for (kind, most) in NsKind::ALL.into_iter().zip(&users.most) {
            for (rank, share) in RANKS.into_iter().zip(most) {
                let labels = OfTypeRank {
                    ns_type: kind.name(),
                    rank,
                };
                let used = share.map_or(0, |share| signed(share.namespaces));
                let who = share.map_or(NOBODY, |share| share.uid.into());
                self.used.get_or_create(&labels).set(used);
                self.who.get_or_create(&labels).set(who);
            }
        }
    }

    /// Takes over how many each may have.
    pub(super) fn limits(&self, limits: &[u64; NsKind::COUNT]) {
        for (kind, &limit) in NsKind::ALL.into_iter().zip(limits) {
            self.limit.get_or_create(&of_type(kind)).set(signed(limit));
        }
    }
}
