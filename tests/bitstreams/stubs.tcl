# Stands in for Vivado: every command that our scripts use is recorded, and answers with something that the next can
# take.  A command that is not here is an error, as a misspelt one would be in Vivado.

namespace eval ipx {}
set ::record {}
proc note {args} { lappend ::record $args; return }

# Commands without a useful answer.
foreach name {
    create_project close_project add_files set_property update_compile_order update_ip_catalog
    apply_bd_automation connect_bd_net connect_bd_intf_net assign_bd_address validate_bd_design save_bd_design
    create_bd_design make_wrapper launch_runs wait_on_run open_run report_timing_summary report_utilization
    ipx::package_project ipx::infer_bus_interface ipx::associate_bus_interfaces ipx::update_checksums
    ipx::check_integrity ipx::save_core
} {
    proc $name {args} [string map [list @ $name] { note @ {*}$args }]
}
# Commands that name an object.
foreach name {
    current_project current_fileset get_runs get_files get_bd_pins get_bd_intf_pins get_bd_addr_segs
    ipx::current_core ipx::get_bus_interfaces ipx::add_bus_parameter ipx::get_memory_maps ipx::get_address_blocks
    ipx::add_register ipx::add_field
} {
    proc $name {args} [string map [list @ $name] { note @ {*}$args; return "@([join $args ,])" }]
}
proc create_bd_cell {args} { note create_bd_cell {*}$args; return [lindex $args end] }
proc get_board_parts {args} { return $::board_parts }
proc get_property {name object} {
    return [dict get {PROGRESS 100% STATUS complete STATS.WNS 0.5 STATS.WHS 0.02 STATS.TPWS 1.0} $name]
}
# Vivado has made these.
proc glob {args} { return [lindex $args end] }
rename file real_file
proc file {command args} {
    if {$command eq "copy"} { note file copy {*}$args; return }
    return [uplevel [list real_file $command {*}$args]]
}
proc unknown {args} { error "not a command of Vivado or of ours: [lindex $args 0]" }
