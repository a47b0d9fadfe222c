//! Organizations and the MSPs that they define.

use std::{collections::BTreeMap, sync::Arc};

use identity::msp::{Msp, MspManager, MspVersion};
use protos::{
    common::{ConfigGroup, OrdererAddresses},
    msp::MspConfig,
    peer::AnchorPeers,
};

use super::{SectionError, sections::value};
use crate::capabilities::ChannelCapabilities;

/// An organization of the channel.
#[derive(Clone)]
pub struct Organization {
    /// Name of its group in the configuration.
    pub name: String,
    /// Name of its MSP, which identities carry.
    pub msp_id: String,
    /// Its MSP; also knows the organization's TLS roots.
    pub msp: Arc<Msp>,
    /// Addresses of its orderers (`host:port`); only orderer organizations have any.
    pub endpoints: Vec<String>,
}

impl Organization {
    /// Reads an organization of the Orderer group.
    pub(super) fn of_orderer(
        name: &str,
        group: &ConfigGroup,
        capabilities: &ChannelCapabilities,
        msps: &mut Msps,
    ) -> Result<Self, SectionError> {
        if !group.groups.is_empty() {
            return Err(SectionError::OrganizationSubGroups("OrdererOrg config does not allow sub-groups"));
        }
        if !capabilities.org_specific_orderer_endpoints() && group.values.contains_key("Endpoints") {
            return Err(SectionError::EndpointsWithoutCapability(name.to_owned()));
        }
        let mut endpoints = OrdererAddresses::default();
        let organization = Self::read(name, group, msps, |key, bytes| {
            let is_known = key == "Endpoints";
            if is_known {
                endpoints = value(bytes)?;
            }
            Ok(is_known)
        })?;
        Ok(Self { endpoints: endpoints.addresses, ..organization })
    }

    /// Reads an organization of the Application group.
    pub(super) fn of_application(
        name: &str,
        group: &ConfigGroup,
        msps: &mut Msps,
    ) -> Result<Self, SectionError> {
        if !group.groups.is_empty() {
            return Err(SectionError::OrganizationSubGroups(
                "ApplicationOrg config does not allow sub-groups",
            ));
        }
        Self::read(name, group, msps, |key, bytes| match key {
            "AnchorPeers" => value::<AnchorPeers>(bytes).map(|_| true),
            _ => Ok(false),
        })
    }

    /// Reads an organization of a consortium.
    pub(super) fn of_consortium(
        name: &str,
        group: &ConfigGroup,
        msps: &mut Msps,
    ) -> Result<Self, SectionError> {
        if !group.groups.is_empty() {
            return Err(SectionError::OrganizationSubGroups("organizations do not support sub-groups"));
        }
        Self::read(name, group, msps, |_, _| Ok(false))
    }

    /// Reads what all organizations have; `other` takes the values that only some have.
    fn read(
        name: &str,
        group: &ConfigGroup,
        msps: &mut Msps,
        mut other: impl FnMut(&str, &bytes::Bytes) -> Result<bool, SectionError>,
    ) -> Result<Self, SectionError> {
        let mut definition = MspConfig::default();
        for (key, element) in &group.values {
            if key == "MSP" {
                definition = value(&element.value)?;
            } else if !other(key, &element.value)? {
                return Err(SectionError::UnexpectedKey(key.clone()));
            }
        }
        let msp = msps.define(name, definition)?;
        Ok(Self { name: name.to_owned(), msp_id: msp.identifier().to_owned(), msp, endpoints: Vec::new() })
    }
}

/// The MSPs that the organizations read so far have defined, by MSP id.
pub(super) struct Msps {
    version: MspVersion,
    defined: BTreeMap<String, (MspConfig, Arc<Msp>)>,
}

impl Msps {
    pub(super) fn new(version: MspVersion) -> Self {
        Self { version, defined: BTreeMap::new() }
    }

    /// Several organizations may share an MSP, if they define it alike.
    fn define(&mut self, organization: &str, definition: MspConfig) -> Result<Arc<Msp>, SectionError> {
        // 0: X.509; 1: Idemix.
        if !matches!(definition.r#type, 0 | 1) {
            return Err(SectionError::MspType(definition.r#type));
        }
        let msp = Arc::new(Msp::setup(&definition, self.version)?);
        match self.defined.get(msp.identifier()) {
            Some((earlier, _)) if *earlier != definition => {
                return Err(SectionError::TwoVersionsOfMsp(msp.identifier().to_owned()));
            }
            Some((_, earlier)) => return Ok(earlier.clone()),
            None if msp.identifier().is_empty() => {
                return Err(SectionError::EmptyMspId(organization.to_owned()));
            }
            None => {}
        }
        self.defined.insert(msp.identifier().to_owned(), (definition, msp.clone()));
        Ok(msp)
    }

    pub(super) fn into_manager(self) -> MspManager {
        MspManager::new(self.defined.into_values().map(|(_, msp)| msp).collect())
    }
}
