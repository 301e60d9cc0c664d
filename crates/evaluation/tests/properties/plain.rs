//! The algorithm as plainly as it can be said: no numbers, no memory, recursion with the path as the guard.
//!
//! Exponential in the worst case and slow always; it is here to be compared with.

use flagwire_evaluation::model::{Clause, FeatureConfig, Segment, Serve, State};
use flagwire_evaluation::{Target, attribute_text, bucket};
use regex::Regex;

pub(crate) struct Plain<'c> {
    pub(crate) flags: &'c [FeatureConfig],
    pub(crate) segments: &'c [Segment],
    pub(crate) target: Option<&'c Target>,
}

impl Plain<'_> {
    /// The identifier of the variation that is served.
    pub(crate) fn evaluate(&self, flag: &FeatureConfig) -> Option<String> {
        if self.prerequisites(flag, &[]) {
            self.serve(flag)
        } else {
            defined(flag, flag.off_variation.clone())
        }
    }

    fn prerequisites(&self, flag: &FeatureConfig, path: &[&str]) -> bool {
        if path.contains(&&*flag.feature) {
            return true;
        }
        let path = &[path, &[&*flag.feature]].concat();
        for prerequisite in &flag.prerequisites {
            let other = self
                .flags
                .iter()
                .find(|other| other.feature == prerequisite.feature);
            let Some((other, served)) = other.and_then(|other| Some((other, self.serve(other)?)))
            else {
                return true;
            };
            if !prerequisite.variations.contains(&served) || !self.prerequisites(other, path) {
                return false;
            }
        }
        true
    }

    fn serve(&self, flag: &FeatureConfig) -> Option<String> {
        if flag.state == State::Off {
            return defined(flag, flag.off_variation.clone());
        }
        let given = |id: &String| !id.is_empty();
        let entry = flag.variation_to_target_map.iter().find(|entry| {
            self.target.is_some_and(|target| {
                entry
                    .targets
                    .iter()
                    .any(|named| named.identifier == target.identifier)
                    || self.member(&entry.target_segments, &[])
            })
        });
        let mut rules: Vec<_> = flag
            .rules
            .iter()
            .filter(|_| self.target.is_some())
            .collect();
        rules.sort_by_key(|rule| rule.priority);
        let rule = || {
            let matching = |clauses: &[Clause]| {
                !clauses.is_empty() && clauses.iter().all(|clause| self.clause(clause, &[]))
            };
            rules
                .iter()
                .filter(|rule| matching(&rule.clauses))
                .find_map(|rule| {
                    self.rollout(&rule.serve)
                        .or_else(|| rule.serve.variation.clone())
                        .filter(given)
                })
        };
        let served = entry
            .map(|entry| entry.variation.clone())
            .filter(given)
            .or_else(rule)
            .or_else(|| self.rollout(&flag.default_serve).filter(given))
            .or_else(|| flag.default_serve.variation.clone())?;
        defined(flag, served)
    }

    fn rollout(&self, serve: &Serve) -> Option<String> {
        let rollout = serve.distribution.as_ref()?;
        let by = |name: &str| Some(bucket(name, &self.attribute(name)?));
        let bucket = by(&rollout.bucket_by).or_else(|| by("identifier"));
        let mut total = 0_i128;
        for share in &rollout.variations {
            // Sums past what 64 bits hold stay at the bound.
            total = (total + i128::from(share.weight)).clamp(i64::MIN.into(), i64::MAX.into());
            if bucket.is_some_and(|bucket| total > 0 && i128::from(bucket) <= total) {
                return Some(share.variation.clone());
            }
        }
        rollout
            .variations
            .last()
            .map(|share| share.variation.clone())
    }

    fn member(&self, ids: &[String], path: &[&str]) -> bool {
        let Some(target) = self.target else {
            return false;
        };
        for id in ids {
            let Some(segment) = self
                .segments
                .iter()
                .find(|segment| segment.identifier == *id)
            else {
                continue;
            };
            if segment
                .excluded
                .iter()
                .any(|named| named.identifier == target.identifier)
            {
                return false;
            }
            if segment
                .included
                .iter()
                .any(|named| named.identifier == target.identifier)
            {
                return true;
            }
            if path.contains(&&**id) {
                continue;
            }
            let path = &[path, &[&**id]].concat();
            let by_rule = if segment.serving_rules.is_empty() {
                segment.rules.iter().any(|clause| self.clause(clause, path))
            } else {
                segment.serving_rules.iter().any(|rule| {
                    !rule.clauses.is_empty()
                        && rule.clauses.iter().all(|clause| self.clause(clause, path))
                })
            };
            if by_rule {
                return true;
            }
        }
        false
    }

    fn clause(&self, clause: &Clause, path: &[&str]) -> bool {
        let Some(first) = clause.values.first() else {
            return false;
        };
        if clause.op == "segmentMatch" {
            return self.member(&clause.values, path);
        }
        let Some(text) = self.attribute(&clause.attribute) else {
            return false;
        };
        match &*clause.op {
            "equal" => text.to_lowercase() == first.to_lowercase(),
            "equal_sensitive" => text == *first,
            "in" => clause.values.contains(&text),
            "starts_with" => text.starts_with(first),
            "ends_with" => text.ends_with(first),
            "contains" => text.contains(first),
            "match" => Regex::new(first).is_ok_and(|pattern| pattern.is_match(&text)),
            "gt" => text > *first,
            _ => false,
        }
    }

    fn attribute(&self, name: &str) -> Option<String> {
        let target = self.target?;
        let text = match name {
            "identifier" => Some(target.identifier.clone()),
            "name" => target.name.clone(),
            _ => attribute_text(target.attributes.as_ref()?.get(name)?).map(Into::into),
        };
        text.filter(|text| !text.is_empty())
    }
}

fn defined(flag: &FeatureConfig, id: String) -> Option<String> {
    flag.variations
        .iter()
        .any(|variation| variation.identifier == id && !id.is_empty())
        .then_some(id)
}
