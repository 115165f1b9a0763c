//! Appliances whose records are names and values, or words in a fixed order.

use crate::formats::firewall::testing::check_samples;

macro_rules! samples {
    ($($name:ident => $id:literal),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                check_samples($id);
            }
        )*
    };
}

samples! {
    fortigate_samples => "fortigate",
    checkpoint_samples => "checkpoint",
    sophos_samples => "sophos",
    sonicwall_samples => "sonicwall",
    watchguard_samples => "watchguard",
    stormshield_samples => "stormshield",
    clavister_samples => "clavister",
    barracuda_samples => "barracuda",
    forcepoint_samples => "forcepoint",
    f5_samples => "f5",
    juniper_srx_samples => "juniper-srx",
    juniper_netscreen_samples => "juniper-netscreen",
    mikrotik_samples => "mikrotik",
    huawei_usg_samples => "huawei-usg",
    cisco_meraki_samples => "cisco-meraki",
    vmware_nsx_samples => "vmware-nsx",
    kv_samples => "kv",
}
