//! Which worlds answer which question.

use std::collections::BTreeMap;

use super::judge::Judged;
use crate::simulate::{Clocks, Family, Missing, Recipe, TranscriptForm, Wording};
use crate::stats::random::Random;

/// What a cell of worlds is asked, and the bar for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Question {
    /// Nothing here was an agent's doing: what is claimed all the same?
    Innocent,
    /// How well strengths tell a step's connections from others: the most that Cllr may be.
    Strength { cllr: f64 },
    /// Are the guilty episodes found, and no others: the least F1.
    Episodes { f1: f64 },
    /// Is the right step found of the connections that one opened: the least share.
    Steps { top_1: f64 },
    /// Are clocks found that are off.
    Clocks,
    /// What is held to have begun it: the least share of findings that name it.
    Initiator { name: &'static str },
    /// How often the timing test says "better than chance" where it is so, by the number of onsets.
    Power,
    /// Worlds harder than those that have bars: everything that can be asked, shown beside them.
    Harder,
    /// Worlds that others made: everything that can be asked.
    Everything,
}

/// Worlds made alike, but for what chance decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub name: String,
    pub question: Question,
    pub worlds: u32,
    pub recipe: Recipe,
}

impl Cell {
    /// The recipe of one world of the cell.
    pub fn recipe_of(&self, number: u32) -> Recipe {
        let mut recipe = self.recipe;
        if self.question == Question::Clocks {
            const ZONES_H: [i32; 5] = [0, 8, -8, 1, -5];
            let mut random = Random::stream(0, u64::from(number));
            recipe.clocks = Clocks {
                firewall_s: 3.0 * random.normal(),
                transcripts_s: 30.0 * random.normal(),
                firewall_zone_h: ZONES_H[number as usize % ZONES_H.len()],
                transcripts_ppm: 20.0 * random.normal(),
            };
        }
        if self.question == Question::Power {
            const ACTS: [u32; 6] = [1, 2, 3, 5, 8, 14];
            recipe.acts = ACTS[number as usize % ACTS.len()];
        }
        recipe
    }
}

/// What makes worlds harder than those with bars.
#[derive(Clone, Copy, Debug)]
enum Condition {
    Several,
    Translated,
    Gaps,
}

impl Condition {
    fn of(self, recipe: Recipe) -> Recipe {
        match self {
            Condition::Several => Recipe { several_connections: true, ..recipe },
            Condition::Translated => Recipe { translated: true, ..recipe },
            Condition::Gaps => {
                let missing = Missing { steps_percent: 20, results_percent: 20, ..recipe.missing };
                Recipe { missing, ..recipe }
            }
        }
    }
}

const CONDITIONS: [(&str, Condition); 3] = [
    ("several connections a call", Condition::Several),
    ("translated on both sides", Condition::Translated),
    ("a fifth of steps and results missing", Condition::Gaps),
];

/// So many times the worlds of another cell: they are told apart by their onsets.
const POWER_WORLDS: u32 = 4;

/// The cells of a whole evaluation. `families` narrows innocent worlds to some; empty means all.
pub fn cells(worlds: u32, families: &[Family]) -> Vec<Cell> {
    let wanted = |family: Family| families.is_empty() || families.contains(&family);
    let mut all = Vec::new();
    let mut add = |name: &str, question: Question, recipe: Recipe| {
        if wanted(recipe.family) {
            all.push(Cell { name: name.to_owned(), question, worlds, recipe });
        }
    };
    let of = |family: Family| Recipe { sandboxes: 3, acts: 8, ..Recipe::of(family) };
    let later = [Family::ControlPlane];
    for family in Family::ALL.into_iter().filter(|family| !family.is_by_agent() && !later.contains(family)) {
        let shared = matches!(family, Family::Tenant | Family::TenantInStep);
        add(family.name(), Question::Innocent, Recipe { shared_address: shared, ..of(family) });
    }
    let agent = of(Family::Agent);
    let one = Recipe { sandboxes: 1, ..agent };
    let ten = Recipe { sandboxes: 10, shared_address: true, ..agent };
    add("one sandbox", Question::Strength { cllr: 0.2 }, one);
    add("ten behind one address", Question::Strength { cllr: 0.6 }, ten);
    add("all sources", Question::Episodes { f1: 0.97 }, agent);
    let without = |missing: Missing| Recipe { missing, ..agent };
    add("no capture", Question::Episodes { f1: 0.9 }, without(Missing { capture: true, ..Missing::default() }));
    let order_only = Recipe { transcripts: TranscriptForm::SweAgent, ..agent };
    add("order-only transcripts", Question::Episodes { f1: 0.75 }, order_only);
    add("literal and identity", Question::Steps { top_1: 0.97 }, Recipe { wording: Wording::Literal, ..agent });
    add("timing alone, one sandbox", Question::Steps { top_1: 0.79 }, Recipe { wording: Wording::Opaque, ..one });
    add("timing alone, ten sandboxes", Question::Steps { top_1: 0.43 }, Recipe { wording: Wording::Opaque, ..ten });
    add("clocks off", Question::Clocks, Recipe { sandboxes: 1, seconds: 1500, acts: 2, ..agent });
    add("agent", Question::Initiator { name: "agent" }, Recipe { wording: Wording::Literal, ..agent });
    add("steered", Question::Initiator { name: "steered-by-content" }, of(Family::Steered));
    add("third-party", Question::Initiator { name: "third-party-code" }, of(Family::ThirdParty));
    // A world's seed is that of its place in this list: what is added goes behind, so that figures of the rest stay as they are.
    for family in later {
        add(family.name(), Question::Innocent, of(family));
    }
    let in_step = Recipe { shared_address: true, ..of(Family::TenantInStep) };
    for (name, condition) in CONDITIONS {
        add(&format!("tenant-in-step, {name}"), Question::Innocent, condition.of(in_step));
        add(&format!("harness, {name}"), Question::Innocent, condition.of(of(Family::Harness)));
        add(&format!("control-plane, {name}"), Question::Innocent, condition.of(of(Family::ControlPlane)));
    }
    for (name, condition) in CONDITIONS {
        if wanted(Family::Agent) {
            let recipe = condition.of(agent);
            all.push(Cell { name: name.to_owned(), question: Question::Harder, worlds, recipe });
        }
    }
    let power = Recipe { wording: Wording::Opaque, ..one };
    if wanted(Family::Agent) {
        let worlds = worlds.saturating_mul(POWER_WORLDS);
        all.push(Cell {
            name: "one sandbox, acts at any calls".to_owned(),
            question: Question::Power,
            worlds,
            recipe: power,
        });
    }
    all
}

/// Worlds of others, a cell of each family that they name.
pub(super) fn by_family(worlds: Vec<Judged>) -> Vec<(Cell, Vec<Judged>)> {
    let mut families: BTreeMap<String, Vec<Judged>> = BTreeMap::new();
    for world in worlds {
        families.entry(world.family.clone()).or_default().push(world);
    }
    let cell = |(name, worlds): (String, Vec<Judged>)| {
        let family = Family::of(&name).unwrap_or(Family::Agent);
        let question = if family.is_by_agent() { Question::Everything } else { Question::Innocent };
        (Cell { name, question, worlds: worlds.len() as u32, recipe: Recipe::of(family) }, worlds)
    };
    families.into_iter().map(cell).collect()
}
