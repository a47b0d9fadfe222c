//! The levels of a config tree: what their values hold, by name, and which groups are below them
//! (`protolator/protoext`).

/// A kind of group in a config tree.
#[derive(Debug)]
pub(super) struct Level {
    /// The name of Fabric's Go type for such a group.
    pub(super) go_name: &'static str,
    /// What values it may have, or the words for that it has none.
    pub(super) values: Result<Values, &'static str>,
    groups: Groups,
}

/// What values a group may have.
#[derive(Debug)]
pub(super) struct Values {
    /// The name of Fabric's Go type for such a value.
    pub(super) go_name: &'static str,
    /// Names, and the types of the messages that are marshaled in them.
    types: &'static [(&'static str, &'static str)],
    /// What is said before a name that is none of these.
    unknown: &'static str,
}

/// What groups may be below a group.
#[derive(Debug)]
enum Groups {
    /// None; the text says so.
    None(&'static str),
    /// Any number of one kind, with names of their own.
    Any(&'static Level),
    /// Those of these names.
    Named(&'static [(&'static str, &'static Level)]),
}

impl Level {
    /// The kind of group that the one of that name below this one is.
    pub(super) fn group(&self, name: &str) -> Result<&'static Level, String> {
        match self.groups {
            Groups::None(text) => Err(text.to_owned()),
            Groups::Any(level) => Ok(level),
            Groups::Named(levels) => levels
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, level)| *level)
                .ok_or_else(|| format!("unknown channel group sub-group '{name}'")),
        }
    }
}

#[cfg(test)]
impl Level {
    /// The types of all values, here and below.
    pub(super) fn all_types(&self) -> Vec<&'static str> {
        let below: Vec<&Level> = match self.groups {
            Groups::None(_) => vec![],
            Groups::Any(level) => vec![level],
            Groups::Named(levels) => levels.iter().map(|(_, level)| *level).collect(),
        };
        let here = self.values.iter().flat_map(|values| values.types).map(|(_, name)| *name);
        here.chain(below.into_iter().flat_map(Level::all_types)).collect()
    }
}

impl Values {
    /// The type of the message in the value of that name.
    pub(super) fn type_of(&self, name: &str) -> Result<&'static str, String> {
        self.types
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, message_type)| *message_type)
            .ok_or_else(|| format!("{}: {name}", self.unknown))
    }
}

/// The root.
pub(super) static CHANNEL: Level = Level {
    go_name: "commonext.DynamicChannelGroup",
    values: Ok(Values {
        go_name: "commonext.DynamicChannelConfigValue",
        types: &[
            ("HashingAlgorithm", "common.HashingAlgorithm"),
            ("BlockDataHashingStructure", "common.BlockDataHashingStructure"),
            ("OrdererAddresses", "common.OrdererAddresses"),
            ("Consortium", "common.Consortium"),
            ("Capabilities", "common.Capabilities"),
        ],
        unknown: "unknown Channel ConfigValue name",
    }),
    groups: Groups::Named(&[
        ("Consortiums", &CONSORTIUMS),
        ("Orderer", &ORDERER),
        ("Application", &APPLICATION),
    ]),
};

static CONSORTIUMS: Level = Level {
    go_name: "commonext.DynamicConsortiumsGroup",
    values: Err("Consortiums currently support no config values"),
    groups: Groups::Any(&CONSORTIUM),
};

static CONSORTIUM: Level = Level {
    go_name: "commonext.DynamicConsortiumGroup",
    values: Ok(Values {
        go_name: "commonext.DynamicConsortiumConfigValue",
        types: &[("ChannelCreationPolicy", "common.Policy")],
        unknown: "unknown Consortium ConfigValue name",
    }),
    groups: Groups::Any(&CONSORTIUM_ORGANIZATION),
};

static CONSORTIUM_ORGANIZATION: Level = Level {
    go_name: "commonext.DynamicConsortiumOrgGroup",
    values: Ok(Values {
        go_name: "commonext.DynamicConsortiumOrgConfigValue",
        types: &[("MSP", "msp.MSPConfig")],
        unknown: "unknown Consortium Org ConfigValue name",
    }),
    groups: Groups::None("ConsortiumOrg groups do not support sub groups"),
};

static ORDERER: Level = Level {
    go_name: "ordererext.DynamicOrdererGroup",
    values: Ok(Values {
        go_name: "ordererext.DynamicOrdererConfigValue",
        types: &[
            ("ConsensusType", "orderer.ConsensusType"),
            ("BatchSize", "orderer.BatchSize"),
            ("BatchTimeout", "orderer.BatchTimeout"),
            ("KafkaBrokers", "orderer.KafkaBrokers"),
            ("ChannelRestrictions", "orderer.ChannelRestrictions"),
            ("Capabilities", "common.Capabilities"),
        ],
        unknown: "unknown Orderer ConfigValue name",
    }),
    groups: Groups::Any(&ORDERER_ORGANIZATION),
};

/// An organisation that runs ordering nodes.
pub(super) static ORDERER_ORGANIZATION: Level = Level {
    go_name: "ordererext.DynamicOrdererOrgGroup",
    values: Ok(Values {
        go_name: "ordererext.DynamicOrdererOrgConfigValue",
        types: &[("MSP", "msp.MSPConfig"), ("Endpoints", "common.OrdererAddresses")],
        unknown: "unknown Orderer Org ConfigValue name",
    }),
    groups: Groups::None("the orderer orgs do not support sub-groups"),
};

static APPLICATION: Level = Level {
    go_name: "peerext.DynamicApplicationGroup",
    values: Ok(Values {
        go_name: "peerext.DynamicApplicationConfigValue",
        types: &[("Capabilities", "common.Capabilities"), ("ACLs", "protos.ACLs")],
        unknown: "Unknown Application ConfigValue name",
    }),
    groups: Groups::Any(&APPLICATION_ORGANIZATION),
};

static APPLICATION_ORGANIZATION: Level = Level {
    go_name: "peerext.DynamicApplicationOrgGroup",
    values: Ok(Values {
        go_name: "peerext.DynamicApplicationOrgConfigValue",
        types: &[("MSP", "msp.MSPConfig"), ("AnchorPeers", "protos.AnchorPeers")],
        unknown: "Unknown Application Org ConfigValue name",
    }),
    groups: Groups::None("The application orgs do not support sub-groups"),
};
