//! The running kernel's own description of itself: which functions it has,
//! and where its structures keep what nslife reads.
//!
//! Pure: bytes in, answers out. A field that the kernel lacks is `None`,
//! never 0.

use btf_rs::{Btf, Type};
use tracer_common::{
    kind::{NsKind, Slot},
    layout::{ABSENT, KindLayout, Layout},
};

/// How deep anonymous structures may nest, and modifiers may chain. The
/// kernel's own do not come near; a forged description must not either.
const MAX_DEPTH: u32 = 16;

/// How many members may be looked at to find one. A structure that contains
/// itself a hundred times over would otherwise keep the search busy for ages.
const MAX_MEMBERS: u32 = 4096;

/// Why the kernel's BTF is of no use.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// It is not BTF.
    #[error("the kernel's BTF cannot be parsed: {0}")]
    Parse(#[from] btf_rs::Error),
    /// It lacks something without which nothing works.
    #[error("the kernel's BTF has no field {structure}.{field}")]
    MissingField {
        /// The structure.
        structure: &'static str,
        /// The field, as nslife knows it.
        field: &'static str,
    },
}

/// Parsed BTF of a kernel.
pub struct KernelBtf {
    btf: Btf,
}

impl KernelBtf {
    /// Parses the content of `/sys/kernel/btf/vmlinux`.
    pub fn parse(bytes: &[u8]) -> Result<Self, BtfError> {
        Ok(Self {
            btf: Btf::from_bytes(bytes)?,
        })
    }

    /// Whether there is a function of this name. That it can be hooked is
    /// another matter: only attaching tells.
    pub fn has_function(&self, name: &str) -> bool {
        self.types(name).any(|ty| matches!(ty, Type::Func(_)))
    }

    /// Whether there is a raw tracepoint of this name.
    pub fn has_tracepoint(&self, name: &str) -> bool {
        self.types(&format!("btf_trace_{name}"))
            .any(|ty| matches!(ty, Type::Typedef(_)))
    }

    /// Offset in bytes of a field, given as the names on the way to it;
    /// anonymous members are looked into, whatever their type's name.
    pub fn offset(&self, structure: &str, path: &[&str]) -> Option<u32> {
        let mut budget = MAX_MEMBERS;
        self.types(structure).find_map(|ty| {
            let (Type::Struct(root) | Type::Union(root)) = ty else {
                return None;
            };
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
        self.types(structure).find_map(|ty| match ty {
            Type::Struct(found) => u32::try_from(found.size()).ok(),
            _ => None,
        })
    }

    fn types(&self, name: &str) -> impl Iterator<Item = Type> {
        // "Not found" is an answer, and the only error there is.
        self.btf
            .resolve_types_by_name(name)
            .unwrap_or_default()
            .into_iter()
    }

    /// The member of this name, and its offset in bits; `None` as well once
    /// the budget of members to look at is spent.
    fn member(
        &self,
        structure: &btf_rs::Struct,
        name: &str,
        depth: u32,
        budget: &mut u32,
    ) -> Option<(btf_rs::Member, u32)> {
        let depth = depth.checked_sub(1)?;
        for member in &structure.members {
            *budget = budget.checked_sub(1)?;
            let called = self.btf.resolve_name(member).unwrap_or_default();
            if called == name {
                return Some((member.clone(), member.bit_offset()));
            }
            if called.is_empty()
                && let Some(inner) = self.aggregate(member)
                && let Some((found, bits)) = self.member(&inner, name, depth, budget)
            {
                return Some((found, member.bit_offset().checked_add(bits)?));
            }
        }
        None
    }

    /// The structure or union that a member is, behind typedefs and
    /// qualifiers.
    fn aggregate(&self, member: &btf_rs::Member) -> Option<btf_rs::Struct> {
        for ty in self.btf.chained_type_iter(member).take(MAX_DEPTH as usize) {
            match ty {
                Type::Struct(inner) | Type::Union(inner) => return Some(inner),
                Type::Typedef(_)
                | Type::Const(_)
                | Type::Volatile(_)
                | Type::Restrict(_)
                | Type::TypeTag(_) => {}
                _ => return None,
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
