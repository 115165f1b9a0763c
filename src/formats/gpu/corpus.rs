//! Whole captures of other projects, if they are there: what each form says of one machine at one time must agree.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::Head;
use crate::formats::firewall::testing::{corpus, files_below, read};
use crate::formats::{Collector, registry};
use crate::model::{Detail, GpuProcess, GpuSample};
use crate::time::TimeContext;

fn samples(found: &Collector) -> Vec<GpuSample<'static>> {
    let of = |observation: &crate::model::Observation<'static>| match &observation.detail {
        Detail::GpuSample(sample) => Some(sample.clone()),
        _ => None,
    };
    found.observations.iter().filter_map(of).collect()
}

fn processes(found: &Collector) -> Vec<GpuProcess<'static>> {
    let of = |observation: &crate::model::Observation<'static>| match &observation.detail {
        Detail::GpuProcess(process) => Some(process.clone()),
        _ => None,
    };
    found.observations.iter().filter_map(of).collect()
}

/// Sections of a capture: between rules of `#` a title and a command, then the output.
fn sections(capture: &str) -> BTreeMap<(String, String), String> {
    let mut sections = BTreeMap::new();
    let mut title: Option<(String, String)> = None;
    for line in capture.lines() {
        if line.starts_with("####") {
            continue;
        }
        if let Some(rest) = line.strip_prefix("# ")
            && let Some((phase, name)) = rest.split_once(" :: ")
        {
            title = Some((phase.to_owned(), name.to_owned()));
            sections.insert((phase.to_owned(), name.to_owned()), String::new());
        } else if line.starts_with("# $ ") {
        } else if let Some(text) = title.as_ref().and_then(|title| sections.get_mut(title)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    sections
}

fn probed(text: &str) -> Option<&'static str> {
    registry::probe(&Head::from_bytes("section", text.as_bytes())).first().map(|candidate| candidate.format)
}

/// Forms of one phase of one capture, by format.
fn forms(capture: &str, phase: &str) -> BTreeMap<&'static str, Collector> {
    let mut forms = BTreeMap::new();
    for ((of, name), text) in sections(capture) {
        if (of != phase && of != "capabilities") || text.trim().is_empty() {
            continue;
        }
        // The list of links begins like the list of GPUs, and is none.
        if name.starts_with("nvlink") {
            assert_ne!(probed(&text), Some("nvidia-smi-list"), "{phase} {name}");
        }
        if let Some(id) = probed(&text).filter(|id| registry::by_id(id).unwrap().kind() == crate::formats::Kind::Gpu) {
            let found = read(id, text.as_bytes(), &TimeContext::default());
            assert!(found.unread.is_empty(), "{phase} {name}: {:?}", found.unread);
            forms.insert(id, found);
        }
    }
    forms
}

/// Equal within what two readings seconds apart may differ, where both say something.
fn near(a: Option<f64>, b: Option<f64>, by: f64) -> bool {
    a.zip(b).is_none_or(|(a, b)| (a - b).abs() <= by)
}

#[test]
fn forms_of_a_capture_agree() {
    let Some(folder) = corpus("gpu/_captures-full") else { return };
    let (mut captures, mut compared, mut falling, mut settings) = (0, 0, 0, 0);
    for file in files_below(&folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        captures += 1;
        for phase in ["idle", "load"] {
            let shown = format!("{} {phase}", file.display());
            let forms = forms(&text, phase);
            let wanted = ["nvidia-smi-gpu", "nvidia-smi-table", "nvidia-smi-q", "nvidia-smi-dmon", "nvidia-smi-list"];
            for id in wanted {
                assert!(forms.contains_key(id), "{shown}: no {id} among {:?}", forms.keys());
            }
            let csv = samples(&forms["nvidia-smi-gpu"]);
            let [csv] = csv.as_slice() else { panic!("{shown}: one GPU") };
            let name = csv.name.as_deref().unwrap();
            for (id, found) in &forms {
                let of_gpu =
                    |sample: &&GpuSample<'_>| !sample.name.as_deref().is_some_and(|name| name.starts_with("MIG "));
                for sample in samples(found).iter().filter(of_gpu) {
                    if let Some(other) = sample.name.as_deref() {
                        let cut = other.trim_end_matches("...").trim_end();
                        assert!(name.starts_with(cut) && cut.len() > 8, "{shown} {id}: {other:?} is not {name:?}");
                    }
                    if let Some(uuid) = sample.gpu_uuid.as_deref() {
                        assert_eq!(Some(uuid), csv.gpu_uuid.as_deref(), "{shown} {id}");
                    }
                    let differ = format!("{shown} {id}: {sample:?} and {csv:?}");
                    assert!(near(sample.memory_total_mib, csv.memory_total_mib, 0.0), "{differ}");
                    // What is set does not change between two outputs: whatever both say is the same, and the long form
                    // says all that the query does.
                    let (ours, theirs) = (sample.settings.each(), csv.settings.each());
                    for ((name, value), (_, queried)) in ours.into_iter().zip(theirs) {
                        let silent = value.is_none() && *id != "nvidia-smi-q";
                        assert!(
                            silent || queried.is_none() || value == queried,
                            "{name} {value:?} {queried:?}: {differ}"
                        );
                        settings += usize::from(value.is_some() && queried.is_some());
                    }
                    let cap = sample.settings.power_cap_w.zip(csv.settings.enforced_power_limit_w);
                    assert!(cap.is_none_or(|(cap, enforced)| cap == enforced), "{differ}");
                    assert!(near(sample.temperature_c, csv.temperature_c, 10.0), "{differ}");
                    assert!(near(sample.memory_used_mib, csv.memory_used_mib, 300.0), "{differ}");
                    // The forms were taken one after the other within seconds. Of the L40S the load before its idle phase
                    // had not ended for all of them: it falls from 242 to 37 W.
                    if shown.contains("l40s") && phase == "idle" {
                        falling += 1;
                        continue;
                    }
                    let watts = csv.power_w.unwrap_or_default();
                    assert!(near(sample.power_w, csv.power_w, f64::max(30.0, watts / 20.0)), "{differ}");
                    assert!(near(sample.utilization_percent, csv.utilization_percent, 5.0), "{differ}");
                    // An idle GPU changes its clock with every question.
                    assert!(phase == "idle" || near(sample.sm_clock_mhz, csv.sm_clock_mhz, 60.0), "{differ}");
                    let told = [sample.power_w, sample.utilization_percent, sample.temperature_c];
                    compared += told.iter().flatten().count();
                }
            }
            let named = |id: &str| -> Option<BTreeMap<u32, GpuProcess<'static>>> {
                let found = forms.get(id)?;
                Some(processes(found).into_iter().filter_map(|process| Some((process.pid?, process))).collect())
            };
            let (Some(apps), Some(table)) = (named("nvidia-smi-apps"), named("nvidia-smi-table")) else { continue };
            let long = named("nvidia-smi-q").unwrap();
            for (pid, process) in &apps {
                for (id, other) in [("table", table.get(pid)), ("q", long.get(pid))] {
                    let Some(other) = other else {
                        // Short-lived ones of a desktop may have gone between two outputs.
                        assert!(text.contains("windows") || text.contains("Windows"), "{shown}: {pid} not in {id}");
                        continue;
                    };
                    assert!(near(process.memory_used_mib, other.memory_used_mib, 0.0), "{shown} {id} {pid}");
                    let (ours, theirs) = (process.process.as_deref().unwrap(), other.process.as_deref().unwrap());
                    assert!(ours.ends_with(theirs.trim_start_matches("...")), "{shown} {id}: {ours} {theirs}");
                }
            }
            let compute: BTreeSet<&u32> = apps.keys().collect();
            if let Some(monitored) = named("nvidia-smi-pmon").filter(|found| !found.is_empty() && !compute.is_empty()) {
                assert!(monitored.keys().any(|pid| compute.contains(pid)), "{shown}: pmon knows other processes");
            }
        }
    }
    println!(
        "{captures} captures, {compared} values and {settings} settings compared, {falling} samples of a load that ends"
    );
    assert!(captures >= 10 && compared > 300, "{captures} {compared}");
}

/// What nvidia_gpu_exporter made of its captures is what is read out of them.
#[test]
fn an_exporter_says_the_same_of_its_captures() {
    let (Some(golden), Some(captures)) = (corpus("gpu/exporter-prometheus"), corpus("gpu/_captures-full")) else {
        return;
    };
    let mut compared = 0;
    for file in files_below(&golden) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let Some((capture, phase)) = name.rsplit_once("__") else { continue };
        let Ok(text) = std::fs::read_to_string(captures.join(format!("nvidia_gpu_exporter/{capture}.txt"))) else {
            continue;
        };
        let metrics = std::fs::read(&file).unwrap();
        assert_eq!(probed(&String::from_utf8_lossy(&metrics)), Some("gpu-metrics"), "{name}");
        let theirs = read("gpu-metrics", &metrics, &TimeContext::default());
        assert!(theirs.unread.is_empty(), "{name}: {:?}", theirs.unread);
        let forms = forms(&text, phase);
        let (ours, exported) = (samples(&forms["nvidia-smi-gpu"]), samples(&theirs));
        assert_eq!(ours.len(), exported.len(), "{name}");
        for (ours, exported) in ours.iter().zip(&exported) {
            let shown = format!("{name}: {ours:?} and {exported:?}");
            for (a, b) in [
                (ours.utilization_percent, exported.utilization_percent),
                (ours.memory_utilization_percent, exported.memory_utilization_percent),
                (ours.memory_used_mib, exported.memory_used_mib),
                (ours.memory_total_mib, exported.memory_total_mib),
                (ours.power_w, exported.power_w),
                (ours.sm_clock_mhz, exported.sm_clock_mhz),
                (ours.temperature_c, exported.temperature_c),
            ] {
                assert!(a.is_some() == b.is_some() && near(a, b, 1e-6), "{shown}");
                compared += usize::from(a.is_some());
            }
            assert_eq!((&ours.name, &ours.gpu_uuid), (&exported.name, &exported.gpu_uuid), "{shown}");
        }
    }
    assert!(compared > 50, "{compared}");
}

/// What two collectors say of their samples in their own tests: Telegraf (plugins/inputs/nvidia_smi, commit 1bec1ee) with
/// decimals, Netdata (go.d.plugin, modules/nvidia_smi, commit 01b5772), which cuts power to whole watts and tells memory
/// in bytes. In the order of file, load and use of memory bandwidth in percent, memory in use in MiB, power in W, SM clock
/// in MHz, temperature.
#[rustfmt::skip]
const COLLECTED: &[(&str, [Option<f64>; 6])] = &[
    ("q-xml/telegraf/gtx-1070-ti.xml", [Some(0.0), Some(0.0), Some(42.0), None, Some(135.0), Some(39.0)]),
    ("q-xml/telegraf/gtx-1660-ti.xml", [Some(0.0), Some(1.0), Some(0.0), Some(8.93), Some(300.0), Some(40.0)]),
    ("q-xml/telegraf/quadro-p400.xml", [Some(0.0), Some(3.0), Some(0.0), None, Some(139.0), Some(33.0)]),
    ("q-xml/telegraf/tesla-t4.xml", [Some(0.0), Some(0.0), Some(1032.0), Some(26.78), Some(585.0), Some(40.0)]),
    ("q-xml/telegraf/rtx-3080-v12.xml", [Some(0.0), Some(37.0), Some(1128.0), Some(22.78), Some(210.0), Some(31.0)]),
    ("q-xml/netdata/a100-sxm4-mig.xml", [None, None, Some(39_845_888.0 / 1_048_576.0), Some(66.0), Some(1410.0), Some(36.0)]),
    ("q-xml/netdata/rtx-3060.xml", [Some(0.0), Some(0.0), Some(5_242_880.0 / 1_048_576.0), Some(8.0), Some(210.0), Some(45.0)]),
    ("q-xml/netdata/tesla-p100.xml", [Some(0.0), Some(0.0), Some(0.0), Some(26.0), Some(405.0), Some(38.0)]),
    ("query-gpu-csv/netdata/tesla-p100.csv", [Some(0.0), Some(0.0), Some(0.0), Some(28.0), Some(405.0), Some(37.0)]),
];

#[test]
fn collectors_say_the_same_of_their_samples() {
    let Some(folder) = corpus("gpu") else { return };
    for (file, theirs) in COLLECTED {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let found = read(probed(&String::from_utf8_lossy(&bytes)).unwrap(), &bytes, &TimeContext::default());
        let samples = samples(&found);
        let [sample] = samples.as_slice() else { panic!("{file}: {samples:?}") };
        let power = sample.power_w.map(|watts| if file.contains("netdata") { watts.floor() } else { watts });
        let ours = [
            sample.utilization_percent,
            sample.memory_utilization_percent,
            sample.memory_used_mib,
            power,
            sample.sm_clock_mhz,
            sample.temperature_c,
        ];
        assert_eq!(ours, *theirs, "{file}");
    }
}

/// Every output of the forms is known, and all of it is read.
#[test]
fn every_file_is_known_and_read() {
    for (part, id, least) in [
        ("table", "nvidia-smi-table", 10),
        ("list-L", "nvidia-smi-list", 5),
        ("q-text", "nvidia-smi-q", 10),
        ("q-xml", "nvidia-smi-xml", 15),
        ("dmon", "nvidia-smi-dmon", 10),
        ("pmon", "nvidia-smi-pmon", 10),
        ("accounted-apps-csv", "nvidia-smi-accounted", 5),
        ("compute-apps-csv", "nvidia-smi-apps", 5),
        ("exporter-prometheus", "gpu-metrics", 10),
        ("rocm-smi-json", "rocm-smi", 3),
        ("gpustat-json", "gpustat", 1),
    ] {
        let Some(folder) = corpus(&format!("gpu/{part}")) else { return };
        let mut files = 0;
        for file in files_below(&folder) {
            let shown = file.display().to_string();
            let bytes = std::fs::read(&file).unwrap();
            // Expectations of other projects' tests stand beside their samples; broken ones and the
            // description of a service are theirs too.
            if shown.ends_with(".go")
                || shown.ends_with(".invalid")
                || shown.ends_with("gpumon.xml")
                || bytes.trim_ascii().is_empty()
            {
                continue;
            }
            let chosen = probed(&String::from_utf8_lossy(&bytes));
            assert_eq!(chosen, Some(id), "{shown}");
            let found = read(id, &bytes, &TimeContext::default());
            let header_only = part.ends_with("-csv");
            // Some end with the title of the next section of their capture.
            let sure = found.unread.is_empty() || bytes.windows(8).any(|eight| eight == b"########");
            assert!(sure && (found.records > 0 || header_only), "{shown}: {:?}", found.unread);
            if ["q-xml", "q-text"].contains(&part) {
                for sample in samples(&found) {
                    assert!(sample.gpu_uuid.is_some() && sample.name.is_some(), "{shown}: {sample:?}");
                    assert!(sample.memory_total_mib.is_some() && sample.temperature_c.is_some(), "{shown}: {sample:?}");
                }
                assert!(!samples(&found).is_empty(), "{shown}");
            }
            files += 1;
        }
        assert!(files >= least, "{part}: {files}");
    }
}
