//! The running kernel's own description of itself: which functions it has,
//! and where its structures keep what nslife reads.
//!
//! Pure: bytes in, answers out. A field that the kernel lacks is `None`,
//! never 0. The bytes are read in place and gone through once, since each
//! start of nslife waits for that (`types.rs`).

mod types;

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};
use tracer_common::{
    kind::{NsKind, Slot},
    layout::{ABSENT, KindLayout, Layout},
};

use self::types::{Kind, Member, Type, Types};

/// How deep anonymous structures may nest, and modifiers may chain. The
/// kernel's own do not come near; a forged description must not either.
const MAX_DEPTH: u32 = 16;

/// How many members may be looked at to find one. A structure that contains
/// itself a hundred times over would otherwise keep the search busy for ages.
const MAX_MEMBERS: u32 = 4096;

/// Why the kernel's BTF is of no use.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BtfError {
    /// The bytes do not begin as BTF does.
    #[error("the kernel's BTF cannot be parsed: it does not begin as BTF version 1 does")]
    NotBtf,
    /// The bytes end before what they describe does.
    #[error("the kernel's BTF cannot be parsed: it ends too early")]
    Truncated,
    /// A type is of a kind that is newer than this nslife.
    #[error("the kernel's BTF cannot be parsed: it has a type of the unknown kind {kind}")]
    UnknownKind {
        /// Its number in the kernel's `BTF_KIND_*`.
        kind: u32,
    },
    /// It lacks something without which nothing works.
    #[error("the kernel's BTF has no field {structure}.{field}")]
    MissingField {
        /// The structure.
        structure: &'static str,
        /// The field, as nslife knows it.
        field: &'static str,
    },
}

/// BTF of a kernel, with an index of the names that may be asked for.
pub struct KernelBtf<'b> {
    types: Types<'b>,
    /// Numbers of functions, structures, unions and typedefs, by name.
    names: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<'b> KernelBtf<'b> {
    /// Parses the content of `/sys/kernel/btf/vmlinux`.
    ///
    /// # Errors
    ///
    /// [`BtfError::NotBtf`], [`BtfError::Truncated`] or
    /// [`BtfError::UnknownKind`].
    pub fn parse(bytes: &'b [u8]) -> Result<Self, BtfError> {
        let types = Types::parse(bytes)?;
        let hasher = DefaultHashBuilder::default();
        // To make room later would take as long as all the rest.
        let mut names = HashTable::with_capacity(types.named_count());
        for (number, ty) in types.named() {
            names.insert_unique(hasher.hash_one(types.name(&ty)), number, |&number| {
                let name = types.get(number).map(|ty| types.name(&ty));
                hasher.hash_one(name.unwrap_or_default())
            });
        }
        Ok(Self {
            types,
            names,
            hasher,
        })
    }

    /// Whether there is a function of this name. That it can be hooked is
    /// another matter: only attaching tells.
    pub fn has_function(&self, name: &str) -> bool {
        self.function(name).is_some()
    }

    /// The number of the function of this name, which is what a program is
    /// attached to (`attach_btf_id`). The first one, if there are several.
    pub fn function(&self, name: &str) -> Option<u32> {
        self.first(name, Kind::Func)
    }

    /// Whether there is a raw tracepoint of this name.
    pub fn has_tracepoint(&self, name: &str) -> bool {
        self.tracepoint(name).is_some()
    }

    /// The number of the raw tracepoint of this name, likewise.
    pub fn tracepoint(&self, name: &str) -> Option<u32> {
        self.first(&tracepoint_type(name), Kind::Typedef)
    }

    /// Offset in bytes of a field, given as the names on the way to it;
    /// anonymous members are looked into, whatever their type's name.
    pub fn offset(&self, structure: &str, path: &[&str]) -> Option<u32> {
        let mut budget = MAX_MEMBERS;
        self.aggregates(structure).into_iter().find_map(|root| {
            let mut bits = 0_u32;
            let mut place = Some(root);
            for name in path {
                let (member, at) = self.member(&place?, name, MAX_DEPTH, &mut budget)?;
                bits = bits.checked_add(at)?;
                place = self.aggregate(&member);
            }
            bits.is_multiple_of(8).then_some(bits / 8)
        })
    }

    /// Size in bytes of a structure.
    pub fn size(&self, structure: &str) -> Option<u32> {
        let mut found = self.aggregates(structure).into_iter();
        found
            .find(|ty| ty.kind == Kind::Struct)
            .map(|ty| ty.size_or_type)
    }

    /// The first type of this name and kind.
    fn first(&self, name: &str, kind: Kind) -> Option<u32> {
        let found = self.named(name).filter(|(_, ty)| ty.kind == kind);
        found.map(|(number, _)| number).min()
    }

    /// The structures and unions of this name, the first one first.
    fn aggregates(&self, name: &str) -> Vec<Type<'b>> {
        let mut found: Vec<_> = self
            .named(name)
            .filter(|(_, ty)| ty.is_aggregate())
            .collect();
        found.sort_unstable_by_key(|&(number, _)| number);
        found.into_iter().map(|(_, ty)| ty).collect()
    }

    /// All types of this name, in no order.
    fn named(&self, name: &str) -> impl Iterator<Item = (u32, Type<'b>)> {
        self.names
            .iter_hash(self.hasher.hash_one(name.as_bytes()))
            .filter_map(|&number| Some((number, self.types.get(number)?)))
            .filter(move |(_, ty)| self.types.name(ty) == name.as_bytes())
    }

    /// The member of this name, and its offset in bits; `None` as well once
    /// the budget of members to look at is spent.
    fn member(
        &self,
        structure: &Type<'b>,
        name: &str,
        depth: u32,
        budget: &mut u32,
    ) -> Option<(Member, u32)> {
        let depth = depth.checked_sub(1)?;
        for member in structure.members() {
            *budget = budget.checked_sub(1)?;
            let called = self.types.member_name(&member);
            if called == name.as_bytes() {
                return Some((member, member.bits));
            }
            if called.is_empty()
                && let Some(inner) = self.aggregate(&member)
                && let Some((found, bits)) = self.member(&inner, name, depth, budget)
            {
                return Some((found, member.bits.checked_add(bits)?));
            }
        }
        None
    }

    /// The structure or union that a member is, behind typedefs and
    /// qualifiers.
    fn aggregate(&self, member: &Member) -> Option<Type<'b>> {
        let mut number = member.ty;
        for _ in 0..MAX_DEPTH {
            let ty = self.types.get(number)?;
            match ty.kind {
                Kind::Struct | Kind::Union => return Some(ty),
                Kind::Typedef | Kind::Qualifier => number = ty.size_or_type,
                Kind::Func | Kind::Other => return None,
            }
        }
        None
    }

    /// Everything the kernel programs need to know.
    pub fn layout(&self) -> Result<Layout, BtfError> {
        let optional =
            |structure: &str, path: &[&str]| self.offset(structure, path).unwrap_or(ABSENT);
        let required = |structure: &'static str, field: &'static str| {
            self.offset(structure, &[field])
                .ok_or(BtfError::MissingField { structure, field })
        };

        let mut kinds = [KindLayout::ABSENT; NsKind::COUNT];
        for kind in NsKind::ALL {
            let structure = structure_of(kind);
            // A kernel may be built without some of the types.
            if self.size(structure).is_none() {
                continue;
            }
            kinds[kind as usize] = KindLayout {
                common: required(structure, "ns")?,
                owner: match kind {
                    NsKind::User => required(structure, "parent")?,
                    _ => required(structure, "user_ns")?,
                },
                parent: match kind {
                    NsKind::User | NsKind::Pid => required(structure, "parent")?,
                    _ => ABSENT,
                },
                level: match kind {
                    NsKind::User | NsKind::Pid => required(structure, "level")?,
                    _ => ABSENT,
                },
                guard: match kind {
                    NsKind::Net => optional(structure, &["net_cookie"]),
                    NsKind::Mnt => optional(structure, &["seq"]),
                    _ => ABSENT,
                },
                list: self.list_of(kind, structure).unwrap_or(ABSENT),
            };
        }

        let mut nsproxy_slots = [ABSENT; Slot::COUNT];
        for slot in Slot::ALL {
            nsproxy_slots[slot as usize] = optional("nsproxy", &[field_of(slot)]);
        }

        Ok(Layout {
            kinds,
            ns_inum: required("ns_common", "inum")?,
            ns_type: optional("ns_common", &["ns_type"]),
            ns_ops: required("ns_common", "ops")?,
            ops_type: optional("proc_ns_operations", &["type"]),
            ns_refs: required("ns_common", "__ns_ref")
                .or_else(|_| required("ns_common", "count"))?,
            ns_id: optional("ns_common", &["ns_id"]),
            ns_active: optional("ns_common", &["__ns_ref_active"]),
            ns_stashed: optional("ns_common", &["stashed"]),
            nsproxy_count: required("nsproxy", "count")?,
            nsproxy_slots,
            user_owner_uid: required("user_namespace", "owner")?,
            task_nsproxy: required("task_struct", "nsproxy")?,
            task_pid: required("task_struct", "pid")?,
            task_tgid: required("task_struct", "tgid")?,
            task_comm: required("task_struct", "comm")?,
            task_flags: required("task_struct", "flags")?,
            task_real_cred: required("task_struct", "real_cred")?,
            task_thread_pid: required("task_struct", "thread_pid")?,
            task_exit_state: required("task_struct", "exit_state")?,
            task_state: required("task_struct", "__state")?,
            task_parent: required("task_struct", "parent")?,
            task_fs: required("task_struct", "fs")?,
            task_signal: required("task_struct", "signal")?,
            task_real_parent: required("task_struct", "real_parent")?,
            task_children: required("task_struct", "children")?,
            task_sibling: required("task_struct", "sibling")?,
            task_start_time: required("task_struct", "start_time")?,
            signal_live: required("signal_struct", "live")?,
            signal_pids: required("signal_struct", "pids")?,
            cred_user_ns: required("cred", "user_ns")?,
            pid_level: required("pid", "level")?,
            pid_numbers: required("pid", "numbers")?,
            upid_size: self.size("upid").ok_or(BtfError::MissingField {
                structure: "upid",
                field: "(size)",
            })?,
            upid_ns: required("upid", "ns")?,
            upid_nr: required("upid", "nr")?,
            pid_allocated: required("pid_namespace", "pid_allocated")?,
            inode_private: required("inode", "i_private")?,
            inode_super: required("inode", "i_sb")?,
            file_inode: required("file", "f_inode")?,
            file_cred: required("file", "f_cred")?,
            path_dentry: required("path", "dentry")?,
            dentry_inode: required("dentry", "d_inode")?,
            dentry_super: required("dentry", "d_sb")?,
            fs_root: self.offset("fs_struct", &["root", "dentry"]).ok_or(
                BtfError::MissingField {
                    structure: "fs_struct",
                    field: "root.dentry",
                },
            )?,
            super_list: required("super_block", "s_list")?,
            super_magic: required("super_block", "s_magic")?,
            super_info: required("super_block", "s_fs_info")?,
            super_user_ns: required("super_block", "s_user_ns")?,
            // From 6.18 on a pointer to the first one; there the lists of
            // namespaces lead to everything.
            super_mounts: if self.offset("mount", &["mnt_instance"]).is_some() {
                optional("super_block", &["s_mounts"])
            } else {
                ABSENT
            },
            mount_instance: optional("mount", &["mnt_instance"]),
            mount_root: optional("mount", &["mnt", "mnt_root"]),
            procfs_pid_ns: required("proc_fs_info", "pid_ns")?,
        })
    }

    /// Offset of the `list_head` that chains all namespaces of a type: in
    /// `ns_common` from 6.18 on, in one of its own for network namespaces.
    fn list_of(&self, kind: NsKind, structure: &str) -> Option<u32> {
        let common = self.offset(structure, &["ns"])?;
        let in_common = self
            .offset("ns_common", &["ns_tree_node", "ns_list_entry"])
            .or_else(|| self.offset("ns_common", &["ns_list_node"]));
        match (in_common, kind) {
            (Some(list), _) => common.checked_add(list),
            (None, NsKind::Net) => self.offset(structure, &["list"]),
            (None, _) => None,
        }
    }
}

/// The typedef that describes the arguments of a raw tracepoint.
pub fn tracepoint_type(name: &str) -> String {
    format!("btf_trace_{name}")
}

/// The kernel's structure for a namespace type.
const fn structure_of(kind: NsKind) -> &'static str {
    match kind {
        NsKind::Mnt => "mnt_namespace",
        NsKind::Uts => "uts_namespace",
        NsKind::Ipc => "ipc_namespace",
        NsKind::User => "user_namespace",
        NsKind::Pid => "pid_namespace",
        NsKind::Net => "net",
        NsKind::Cgroup => "cgroup_namespace",
        NsKind::Time => "time_namespace",
    }
}

/// The field of `struct nsproxy` for a slot.
const fn field_of(slot: Slot) -> &'static str {
    match slot {
        Slot::Uts => "uts_ns",
        Slot::Ipc => "ipc_ns",
        Slot::Mnt => "mnt_ns",
        Slot::PidForChildren => "pid_ns_for_children",
        Slot::Net => "net_ns",
        Slot::Time => "time_ns",
        Slot::TimeForChildren => "time_ns_for_children",
        Slot::Cgroup => "cgroup_ns",
    }
}
