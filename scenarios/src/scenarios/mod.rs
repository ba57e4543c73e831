//! All scenarios, by subject.

mod lives;

use tracer_common::kind::NsKind;

use crate::scenario::{On, Scenario};

/// All scenarios, in the order in which they are run.
pub(crate) const ALL: &[Scenario] = &[
    on_all("life_of_mnt", |world| lives::life_of(world, NsKind::Mnt)),
    on_all("life_of_uts", |world| lives::life_of(world, NsKind::Uts)),
    on_all("life_of_ipc", |world| lives::life_of(world, NsKind::Ipc)),
    on_all("life_of_user", |world| lives::life_of(world, NsKind::User)),
    on_all("life_of_pid", |world| lives::life_of(world, NsKind::Pid)),
    on_all("life_of_net", |world| lives::life_of(world, NsKind::Net)),
    on_all("life_of_cgroup", |world| {
        lives::life_of(world, NsKind::Cgroup)
    }),
    on_all("life_of_time", |world| lives::life_of(world, NsKind::Time)),
];

const fn on_all(
    name: &'static str,
    run: fn(&crate::world::World) -> anyhow::Result<()>,
) -> Scenario {
    Scenario {
        name,
        on: On::AllKernels,
        run,
    }
}
