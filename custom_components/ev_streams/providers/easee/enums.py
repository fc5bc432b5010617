"""Easee's numeric codes and the words we give them.

From the vendor's public enumerations, cross-checked with what other open
clients decode. The tables may grow on the vendor's side: a code that is not
here becomes `unknown_<code>`.
"""

from collections.abc import Mapping

CHARGER_OP_MODE: Mapping[int, str] = {
    0: "offline",
    1: "disconnected",
    2: "awaiting_start",
    3: "charging",
    4: "completed",
    5: "error",
    6: "ready_to_charge",
    7: "awaiting_authentication",
    8: "deauthenticating",
    # From 100 on the codes are seen in other clients only, the vendor does not document them.
    100: "start_charging",
    101: "stop_charging",
    102: "offline",
    103: "awaiting_load_balancing",
    104: "awaiting_authorization",
    105: "awaiting_smart_start",
    106: "awaiting_scheduled_start",
    107: "authenticating",
    108: "paused_by_equalizer",
    109: "searching_for_master",
    157: "erratic_ev",
    158: "temperature_too_high",
    159: "dead_power_board",
    160: "overcurrent",
    161: "pen_fault",
}

REASON_FOR_NO_CURRENT: Mapping[int, str] = {
    0: "ok",
    1: "max_circuit_current_too_low",
    2: "max_dynamic_circuit_current_too_low",
    3: "max_dynamic_offline_fallback_too_low",
    4: "circuit_fuse_too_low",
    5: "waiting_in_queue",
    6: "waiting_in_fully_charged_queue",
    7: "illegal_grid_type",
    8: "no_request_from_secondary",
    9: "lost_contact_with_master",
    10: "equalizer_current_too_low",
    11: "phase_not_connected",
    25: "limited_by_circuit_fuse",
    26: "limited_by_circuit_max",
    27: "limited_by_dynamic_circuit",
    28: "limited_by_equalizer",
    29: "limited_by_load_balancing",
    30: "limited_by_offline_settings",
    50: "secondary_not_requesting",
    51: "max_charger_current_too_low",
    52: "max_dynamic_charger_current_too_low",
    53: "charger_disabled",
    54: "pending_scheduled_charging",
    55: "pending_authorization",
    56: "charger_in_error_state",
    57: "erratic_ev",
    75: "limited_by_cable_rating",
    76: "limited_by_schedule",
    77: "limited_by_max_charger_current",
    78: "limited_by_dynamic_charger_current",
    79: "car_not_charging",
    80: "local_adjustment",
    81: "limited_by_car",
    100: "undefined",
}

OUTPUT_PHASE: Mapping[int, str] = {
    0: "unassigned",
    10: "one_phase_n_l1",
    11: "one_phase_l1_l2",
    12: "one_phase_n_l2",
    13: "one_phase_l1_l3",
    14: "one_phase_n_l3",
    15: "one_phase_l2_l3",
    20: "two_phases_l1_l2",
    21: "two_phases_l2_l3",
    22: "two_phases_l1_l2_and_l2_l3",
    30: "three_phases",
}

POWER_GRID_TYPE: Mapping[int, str] = {
    -1: "unknown_type",
    0: "not_yet_detected",
    1: "tn_three_phases",
    2: "tn_two_phases_pins_2_3_4",
    3: "tn_one_phase",
    4: "it_three_phases",
    5: "it_one_phase",
    30: "warning_tn_two_phases_pins_2_3_5",
    31: "warning_tn_one_phase_neutral_on_pin_3",
    32: "warning_it_three_phases_ground_fault",
    33: "warning_it_one_phase_ground_fault",
    34: "warning_it_three_phases_ground_fault_l3",
    35: "warning_it_one_phase_ground_fault_l3",
    36: "warning_tn_two_phases_pins_2_3_4",
    37: "warning_tn_three_phases_ground_fault",
    38: "warning_tn_two_phases_ground_fault",
    50: "error_no_valid_grid",
    51: "error_tn_400_v_neutral_on_wrong_pin",
    52: "error_it_ground_on_pin_2_or_3",
}

LED_MODE: Mapping[int, str] = {
    0: "disabled",
    **dict.fromkeys(range(1, 16), "updating"),
    16: "faulty",
    17: "faulty",
    18: "standby_master",
    19: "standby_secondary",
    20: "secondary_searching_for_master",
    21: "smart_not_charging",
    22: "smart_charging",
    23: "normal_not_charging",
    24: "normal_charging",
    25: "waiting_for_authorization",
    26: "verifying_with_backend",
    27: "check_configuration",
    29: "pairing_rfid",
    43: "self_test",
    44: "self_test",
}

CHARGER_RAT: Mapping[int, str] = {0: "cellular", 1: "wifi"}

LOCAL_NODE_TYPE: Mapping[int, str] = {
    0: "unconfigured",
    1: "master",
    2: "extender",
    3: "end_device",
}

# Bit numbers of a mask, not codes.
REBOOT_REASON: Mapping[int, str] = {
    0: "firewall_reset",
    1: "option_byte_loader",
    2: "pin_reset",
    3: "bor",
    4: "software",
    5: "independent_watchdog",
    6: "window_watchdog",
    7: "low_power",
    12: "brown_out",
    20: "reboot_command",
}

PRODUCT: Mapping[int, str] = {
    1: "Easee Home",
    2: "Easee Charge Lite",
    3: "Easee Charge Max",
    4: "Easee Charge Up",
    100: "Easee Charge",
    102: "Easee Charge Core",
    103: "Easee Charge Pro",
    400: "Easee Charge One",
}


def options(table: Mapping[int, str]) -> list[str]:
    """Return the words of a table, each once, in the order of their codes."""
    return list(dict.fromkeys(table.values()))
