//! Namespaces that are opened by nothing but their numbers.

use anyhow::{Result, ensure};
use tracer_common::kind::NsKind::{Net, User};

use super::{
    holders::{OUT_OF_REACH, OUT_OF_REACH_AGAIN, WHOLE_TWICE, end_maker, end_sitter, socket_in},
    lives::{IN_USE, WHOLE},
};
use crate::{
    expect::Life, held::HELD, kernel::COUNTS, puppet::Failure, stage::Stage, world::World,
};

/// Why lives are not the same on all kernels.
const OPENS_ALL: &str = "without an active count, the kernel opens what nothing else can reach";

/// After it was opened, or was to be, when it was inactive.
const STILL_OUT_OF_REACH: Life = OUT_OF_REACH.before(COUNTS, OUT_OF_REACH_AGAIN, OPENS_ALL);

/// From beginning to end.
const WHOLE_WITH_HANDLE: Life = WHOLE.before(COUNTS, WHOLE_TWICE, OPENS_ALL);

/// A file handle that is made of numbers opens an active namespace. One that is inactive it revives
/// on 6.18; later kernels call it stale.
pub(super) fn opened_by_file_handle(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let maker = stage.puppet("maker")?;
    maker.unshare(&[User, Net])?;
    let user = stage.born(&maker, User)?;
    let net = stage.born(&maker, Net)?;
    let sitter = stage.puppet("sitter")?;
    let socket = socket_in(&mut stage, &sitter, &maker)?;
    let file = sitter.open_by_handle(&net)?;
    end_maker(&mut stage, maker)?;
    stage.still_live([&net, &user], IN_USE)?;
    stage.shows([(&net, HELD.nsfs()), (&user, HELD.owned(1))])?;
    sitter.close(file)?;
    stage.all_live([&net, &user], OUT_OF_REACH)?;

    match sitter.open_by_handle(&net) {
        Ok(file) => sitter.close(file)?,
        Err(error) => {
            let errno = error.downcast_ref::<Failure>().and_then(|f| f.errno);
            ensure!(errno == Some(libc::ESTALE), error);
        }
    }
    stage.still_live([&net, &user], STILL_OUT_OF_REACH)?;
    sitter.close(socket)?;
    stage.all_live([&net, &user], WHOLE_WITH_HANDLE)?;
    end_sitter(&mut stage, sitter)?;
    stage.close()
}
