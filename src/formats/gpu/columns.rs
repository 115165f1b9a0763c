//! The columns of a query: from its header, from a comment with the command line, or from the look of a row.

use super::csv::{Unit, cells, column_name, is_column_name, is_status, is_uuid, time, value};

/// Which query wrote the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Query {
    Gpu,
    Apps,
    Accounted,
}

impl Query {
    pub(super) fn option(self) -> &'static str {
        match self {
            Query::Gpu => "--query-gpu",
            Query::Apps => "--query-compute-apps",
            Query::Accounted => "--query-accounted-apps",
        }
    }
}

/// What a column holds, by the name that the driver or the user gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Timestamp,
    Index,
    Uuid,
    Name,
    Utilization,
    MemoryUtilization,
    MemoryUsed,
    MemoryTotal,
    Power,
    /// `power.draw.instant`, `power.draw.average`: used where `power.draw` is not there.
    PowerOther,
    SmClock,
    Temperature,
    Pid,
    Process,
    PowerLimit,
    EnforcedPowerLimit,
    ApplicationGraphicsClock,
    ApplicationMemoryClock,
    MaxSmClock,
    Persistence,
    ComputeMode,
    Mig,
    /// How long a process of the accounting was active on the GPU.
    ActiveTime,
    Other,
}

impl Column {
    fn of(name: &str, query: Query) -> Column {
        match (name, query) {
            ("timestamp", _) => Column::Timestamp,
            ("index" | "gpu_index", Query::Gpu) => Column::Index,
            ("uuid" | "gpu_uuid", _) => Column::Uuid,
            ("name", Query::Gpu) | ("gpu_name", _) => Column::Name,
            ("utilization.gpu", Query::Gpu) => Column::Utilization,
            ("utilization.memory", Query::Gpu) => Column::MemoryUtilization,
            ("memory.used", Query::Gpu) => Column::MemoryUsed,
            ("memory.total", Query::Gpu) => Column::MemoryTotal,
            ("power.draw", Query::Gpu) => Column::Power,
            ("power.draw.instant" | "power.draw.average", Query::Gpu) => Column::PowerOther,
            ("clocks.current.sm" | "clocks.sm", Query::Gpu) => Column::SmClock,
            ("temperature.gpu", Query::Gpu) => Column::Temperature,
            ("power.limit", Query::Gpu) => Column::PowerLimit,
            ("enforced.power.limit", Query::Gpu) => Column::EnforcedPowerLimit,
            ("clocks.applications.graphics" | "clocks.applications.gr", Query::Gpu) => Column::ApplicationGraphicsClock,
            ("clocks.applications.memory" | "clocks.applications.mem", Query::Gpu) => Column::ApplicationMemoryClock,
            ("clocks.max.sm", Query::Gpu) => Column::MaxSmClock,
            ("persistence_mode", Query::Gpu) => Column::Persistence,
            ("compute_mode", Query::Gpu) => Column::ComputeMode,
            ("mig.mode.current", Query::Gpu) => Column::Mig,
            ("pid", Query::Apps) => Column::Pid,
            ("process_name" | "name", Query::Apps) => Column::Process,
            ("used_gpu_memory" | "used_memory", Query::Apps) => Column::MemoryUsed,
            ("pid", Query::Accounted) => Column::Pid,
            ("gpu_utilization" | "gpu_util", Query::Accounted) => Column::Utilization,
            ("mem_utilization" | "mem_util", Query::Accounted) => Column::MemoryUtilization,
            ("max_memory_usage" | "max_memory", Query::Accounted) => Column::MemoryUsed,
            ("time", Query::Accounted) => Column::ActiveTime,
            _ => Column::Other,
        }
    }
}

impl Column {
    /// The name of a column that a figure is read of, as nvidia-smi has it today.
    pub(super) fn figure(self) -> Option<&'static str> {
        match self {
            Column::Utilization => Some("utilization.gpu"),
            Column::MemoryUtilization => Some("utilization.memory"),
            Column::MemoryUsed => Some("memory.used"),
            Column::MemoryTotal => Some("memory.total"),
            Column::Power => Some("power.draw"),
            Column::SmClock => Some("clocks.current.sm"),
            Column::Temperature => Some("temperature.gpu"),
            _ => None,
        }
    }
}

/// Where the columns are known from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) columns: Vec<Column>,
    /// The column that may hold commas.
    pub(super) free: Option<usize>,
}

impl Columns {
    fn named<'a>(names: impl Iterator<Item = &'a str>, query: Query) -> Columns {
        let columns: Vec<Column> = names.map(|name| Column::of(column_name(name), query)).collect();
        let place = |wanted: Column| columns.iter().position(|column| *column == wanted);
        let free = place(Column::Process).or_else(|| place(Column::Name));
        Columns { columns, free }
    }

    /// From a header line, if it is one of this query.
    pub(super) fn of_header(line: &str, query: Query) -> Option<Columns> {
        let names = cells(line);
        if !names.iter().all(|name| is_column_name(name)) {
            return None;
        }
        let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&column_name(name)));
        let processes = has(&["pid"]) && has(&["process_name", "name", "used_gpu_memory", "used_memory"]);
        // The query of accounted applications shares columns with that of compute applications.
        let accounted = has(&[
            "max_memory_usage",
            "max_memory",
            "gpu_utilization",
            "gpu_util",
            "mem_utilization",
            "mem_util",
            "time",
        ]);
        let families = [
            "utilization.",
            "memory.",
            "power.",
            "clocks.",
            "temperature.",
            "fan.speed",
            "pstate",
            "clocks_throttle_reasons.",
            "clocks_event_reasons.",
        ];
        let of_gpus = !has(&["pid"]) && names.iter().any(|name| families.iter().any(|family| name.starts_with(family)));
        let matches = match query {
            Query::Apps => processes && !accounted,
            Query::Accounted => has(&["pid"]) && accounted,
            Query::Gpu => of_gpus,
        };
        matches.then(|| Columns::named(names.iter().copied(), query))
    }

    /// From a comment that holds the command line.
    pub(super) fn of_comment(line: &str, query: Query) -> Option<Columns> {
        let comment = line.trim_start().strip_prefix('#')?;
        let (_, rest) = comment.split_once(query.option())?;
        let rest = rest.strip_prefix('=').or_else(|| rest.strip_prefix(' '))?;
        let list = rest.trim_start_matches(['"', '\'']).split([' ', '"', '\'', '\t']).next()?;
        Columns::of_list(list, query)
    }

    /// From the list that was given to `nvidia-smi`.
    pub(super) fn of_list(list: &str, query: Query) -> Option<Columns> {
        (!list.is_empty()).then(|| Columns::named(list.split(',').map(str::trim), query))
    }

    /// From a row without header: only what its values say beyond doubt.
    ///
    /// A time and a UUID are what they are. In a short row a unit tells what was measured if one cell alone has it: two
    /// cells in MiB may be any of used, free and total. A long row, or one where a value is missing, may measure
    /// anything; numbers without unit tell nothing.
    pub(super) fn of_row(line: &str, query: Query) -> Option<Columns> {
        let row = cells(line);
        let units: Vec<Option<Unit>> = row.iter().map(|cell| value(cell).and_then(|(_, unit)| unit)).collect();
        let short = row.len() <= 8 && !row.iter().any(|cell| is_status(cell));
        let alone = |wanted: Unit| short && units.iter().filter(|unit| **unit == Some(wanted)).count() == 1;
        let mut columns: Vec<Column> = row
            .iter()
            .zip(&units)
            .map(|(cell, unit)| match unit {
                _ if time(cell).is_some() => Column::Timestamp,
                _ if is_uuid(cell) => Column::Uuid,
                Some(Unit::Mib) if alone(Unit::Mib) => Column::MemoryUsed,
                Some(Unit::Percent) if alone(Unit::Percent) && query == Query::Gpu => Column::Utilization,
                Some(Unit::Watt) if alone(Unit::Watt) && query == Query::Gpu => Column::Power,
                _ => Column::Other,
            })
            .collect();
        let mut free = None;
        if query == Query::Apps {
            // A path is a process; the number before it is its id.
            let process = row.iter().position(|cell| is_path(cell))?;
            let pid = process.checked_sub(1)?;
            row.get(pid)?.parse::<u32>().ok()?;
            *columns.get_mut(process)? = Column::Process;
            *columns.get_mut(pid)? = Column::Pid;
            free = Some(process);
        }
        let known = columns.iter().any(|column| *column != Column::Other);
        known.then_some(Columns { columns, free })
    }

    pub(super) fn has(&self, column: Column) -> bool {
        self.columns.contains(&column)
    }
}

/// Whether a cell can only be the name of a process: a path, or the text that stands for one.
pub(super) fn is_path(cell: &str) -> bool {
    cell.starts_with('/') || cell.starts_with("./") || cell.get(1..3) == Some(":\\") || cell == "[Not Found]"
}
