//! Decides whether to believe an answer that lacks most of what is in force, or to ask for it again.
//!
//! A server whose database is half restored, or a proxy that answers `[]` for it, answers 200 like any other. What is
//! missing is believed at once where the stream has reported each deletion. Else it is kept in force, with all else that
//! the answer brings, until the upstream has answered the same several times; and where it has no flag left at all,
//! until a person [accepts](crate::environment::Environment::accept) that.

use std::time::Duration;

use tokio::time::Instant;

use super::expected::Expected;
use crate::environment::{Configuration, Current};
use crate::source::doubt::Loss;

/// How many answers after the first have to lack the same, each some time after the one before, until they are
/// believed.
const AGREEING: u32 = 6;

/// The wait for the second answer is shorter than the later ones by this factor, as most faults are over by then.
const SOONER: u32 = 20;

/// Holds the loss that is doubted at the moment, if there is one.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    doubted: Option<Doubted>,
}

#[derive(Debug)]
struct Doubted {
    loss: Loss,
    /// How many answers after the first have lacked the same.
    agreeing: u32,
    counted: Instant,
}

/// What was decided about an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The answer is believed as it is.
    Believed,
    /// What the answer lacks was put back into it. The upstream is to be asked again after the time in `again`.
    Doubted {
        again: Duration,
        /// The reason for people; `None` after the first such answer, as the fault may be over in a moment.
        why: Option<String>,
    },
}

impl Doubts {
    /// Whether something is kept in force that the last answer lacked.
    pub(super) const fn is_doubting(&self) -> bool {
        self.doubted.is_some()
    }

    /// Compares an answer with what is in force, and puts back what it lacks if that is doubted. `every` is the time
    /// between two answers.
    pub(super) fn judge(
        &mut self,
        current: Option<&Current>,
        answer: &mut Configuration,
        expected: &Expected,
        accepted: bool,
        every: Duration,
    ) -> Verdict {
        let Some(current) = current.filter(|_| !accepted) else {
            self.doubted = None;
            return Verdict::Believed;
        };
        let mut loss = Loss::of(current, answer);
        let total = loss.flags.is_total();
        if !total {
            loss.flags
                .gone
                .retain(|flag| !expected.tells_deleted_flag(flag));
        }
        let no_groups = loss.groups.is_total();
        loss.groups
            .gone
            .retain(|group| !expected.tells_deleted_group(group));
        let groups = loss.groups.is_large() || (no_groups && !loss.groups.gone.is_empty());
        if !(total || loss.flags.is_large() || groups) {
            self.doubted = None;
            return Verdict::Believed;
        }
        let now = Instant::now();
        let agreeing = match &mut self.doubted {
            Some(doubted) if doubted.loss == loss => {
                if doubted.agreeing == 0 || now.duration_since(doubted.counted) >= every / 2 {
                    doubted.agreeing += 1;
                    doubted.counted = now;
                }
                doubted.agreeing
            }
            _ => 0,
        };
        if agreeing >= AGREEING && !total {
            tracing::warn!(
                "the upstream goes on saying that it no longer has {loss}; they are taken out now"
            );
            self.doubted = None;
            return Verdict::Believed;
        }
        let flags = current.snapshot.flags().iter();
        let flags = flags.filter(|flag| loss.flags.gone.contains(&flag.feature));
        answer.flags.extend(flags.cloned());
        let groups = current.snapshot.segments().iter();
        let groups = groups.filter(|group| loss.groups.gone.contains(&group.identifier));
        answer.segments.extend(groups.cloned());
        let verdict = Verdict::Doubted {
            again: if agreeing == 0 { every / SOONER } else { every },
            why: (agreeing > 0).then(|| {
                let end = if total {
                    "until it has flags again, or until that is accepted"
                } else {
                    "until it has said so for a minute, or until that is accepted"
                };
                format!(
                    "the upstream suddenly lacks {loss}; they stay in force, and it is asked again, {end} (POST /admin/accept or the signal SIGUSR1)"
                )
            }),
        };
        if agreeing == 0 {
            self.doubted = Some(Doubted {
                loss,
                agreeing,
                counted: now,
            });
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    const EVERY: Duration = Duration::ZERO;

    fn of(flags: std::ops::Range<usize>, groups: std::ops::Range<usize>) -> Configuration {
        let flags: Vec<String> = flags.map(|n| format!("flag-{n}: true")).collect();
        let groups: Vec<String> = groups.map(|n| format!("group-{n}: {{}}")).collect();
        let text = format!(
            "flags: {{ {} }}\ngroups: {{ {} }}",
            flags.join(", "),
            groups.join(", ")
        );
        flagwire_flags_file::parse(&text).unwrap()
    }

    struct Asked {
        environment: Environment,
        doubts: Doubts,
        expected: Expected,
    }

    impl Asked {
        fn with(configuration: Configuration) -> Self {
            let environment = Environment::new("e");
            environment.apply(configuration);
            Self {
                environment,
                doubts: Doubts::default(),
                expected: Expected::default(),
            }
        }

        /// Whether the answer was believed, and how many flags and groups are in force then.
        fn answers(&mut self, mut answer: Configuration, accepted: bool) -> (bool, usize, usize) {
            let current = self.environment.current();
            let verdict = self.doubts.judge(
                current.as_deref(),
                &mut answer,
                &self.expected,
                accepted,
                EVERY,
            );
            self.environment.apply(answer);
            let current = self.environment.current().unwrap();
            let snapshot = &current.snapshot;
            let counts = (snapshot.flags().len(), snapshot.segments().len());
            (verdict == Verdict::Believed, counts.0, counts.1)
        }
    }

    #[test]
    fn an_upstream_that_has_nothing_is_never_believed_before_somebody_accepts_it() {
        let mut asked = Asked::with(of(0..3, 0..2));
        for _ in 0..50 {
            assert_eq!(asked.answers(of(0..0, 0..0), false), (false, 3, 2));
        }
        assert_eq!(asked.answers(of(0..0, 0..0), true), (true, 0, 0));
    }

    #[test]
    fn a_large_loss_is_believed_once_it_has_been_said_over_and_over() {
        let mut asked = Asked::with(of(0..20, 0..20));
        for _ in 0..=AGREEING - 1 {
            // The flags that the answer has are put in force meanwhile.
            assert_eq!(asked.answers(of(8..21, 8..20), false), (false, 21, 20));
        }
        // Something else is missing, so this counts as another answer.
        assert_eq!(asked.answers(of(9..21, 8..20), false), (false, 21, 20));
        for _ in 0..=AGREEING - 1 {
            assert_eq!(asked.answers(of(8..21, 8..20), false), (false, 21, 20));
        }
        assert_eq!(asked.answers(of(8..21, 8..20), false), (true, 13, 12));
    }

    #[test]
    fn what_comes_back_ends_the_doubt_and_a_small_loss_is_none() {
        let mut asked = Asked::with(of(0..20, 0..1));
        assert_eq!(asked.answers(of(0..2, 0..1), false), (false, 20, 1));
        assert_eq!(asked.answers(of(0..20, 0..1), false), (true, 20, 1));
        assert_eq!(asked.answers(of(0..17, 0..1), false), (true, 17, 1));
    }

    #[test]
    fn deletions_that_the_stream_has_told_of_are_believed_at_once() {
        let mut asked = Asked::with(of(0..20, 0..1));
        let told = |domain: &str, name: &str| {
            format!(r#"{{"event":"delete","domain":"{domain}","identifier":"{name}","version":9}}"#)
        };
        for n in 0..12 {
            asked.expected.event(&told("flag", &format!("flag-{n}")));
        }
        assert_eq!(asked.answers(of(12..20, 0..1), false), (true, 8, 1));
        assert_eq!(asked.answers(of(12..20, 0..0), false), (false, 8, 1));
        asked.expected.event(&told("target-segment", "group-0"));
        assert_eq!(asked.answers(of(12..20, 0..0), false), (true, 8, 0));
    }
}
