//! What is wrong with the node: checkers by component, run when somebody asks.

use async_trait::async_trait;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Answers whether a component works.
#[async_trait]
pub trait HealthChecker: Send + Sync {
    /// `Err` carries the reason why it does not, for people.
    async fn check(&self) -> Result<(), String>;
}

/// A closure that answers at once.
#[async_trait]
impl<F: Fn() -> Result<(), String> + Send + Sync> HealthChecker for F {
    async fn check(&self) -> Result<(), String> {
        self()
    }
}

/// The component has a checker already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is already registered")]
pub struct AlreadyRegistered(pub String);

/// A component that does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCheck {
    /// Its name.
    pub component: String,
    /// The checker's reason.
    pub reason: String,
}

/// All checkers of the node.
#[derive(Default)]
pub struct HealthRegistry {
    checkers: RwLock<BTreeMap<String, Arc<dyn HealthChecker>>>,
}

impl HealthRegistry {
    /// Adds the checker of a component, such as `ch1/ledger`.
    pub fn register(
        &self,
        component: &str,
        checker: Arc<dyn HealthChecker>,
    ) -> Result<(), AlreadyRegistered> {
        let mut checkers = self.checkers.write();
        if checkers.contains_key(component) {
            return Err(AlreadyRegistered(component.to_owned()));
        }
        checkers.insert(component.to_owned(), checker);
        Ok(())
    }

    /// Removes a component's checker, if there is one.
    pub fn deregister(&self, component: &str) {
        self.checkers.write().remove(component);
    }

    /// Runs all checkers at the same time; the failed ones by component.
    pub async fn failed_checks(&self) -> Vec<FailedCheck> {
        let checkers: Vec<_> = self.checkers.read().clone().into_iter().collect();
        let running = checkers.into_iter().map(|(component, checker)| async move {
            let reason = checker.check().await.err()?;
            Some(FailedCheck { component, reason })
        });
        futures::future::join_all(running).await.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn failed_checks_name_component_and_reason() {
        let health = HealthRegistry::default();
        health.register("b", Arc::new(|| Err("gone".to_owned()))).unwrap();
        health.register("a", Arc::new(|| Ok(()))).unwrap();
        assert_eq!(health.register("a", Arc::new(|| Ok(()))), Err(AlreadyRegistered("a".into())));
        let failed = FailedCheck { component: "b".into(), reason: "gone".into() };
        assert_eq!(health.failed_checks().await, [failed]);
        health.deregister("b");
        assert_eq!(health.failed_checks().await, []);
    }
}
