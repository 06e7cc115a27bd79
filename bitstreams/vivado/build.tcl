# Builds the bitstream of one board:  vivado -mode batch -source build.tcl -tclargs SETTINGS
#
# SETTINGS is the file that `nigiri bitstream` writes.  Any error ends Vivado with an exit code.

set here [file dirname [file normalize [info script]]]
source [lindex $argv 0]
source $here/package_ip.tcl
source $here/design_$settings(family).tcl
source $here/block_design.tcl
source $here/check_timing.tcl

package_ip

create_project nigiri $settings(folder)/project -part $settings(part) -force
if {[llength [get_board_parts -quiet $settings(board_part)]]} {
    set_property board_part $settings(board_part) [current_project]
} else {
    error "the board files of $settings(board_part) are not installed: copy them to Vivado's board store"
}
set_property ip_repo_paths $settings(repository) [current_project]
update_ip_catalog
make_block_design

set design [get_files nigiri.bd]
make_wrapper -files $design -top
set wrapper [glob $settings(folder)/project/nigiri.gen/sources_1/bd/nigiri/hdl/nigiri_wrapper.v]
add_files -norecurse $wrapper
set_property top nigiri_wrapper [current_fileset]
set_property strategy Performance_ExplorePostRoutePhysOpt [get_runs impl_1]
launch_runs impl_1 -to_step write_bitstream -jobs $settings(jobs)
wait_on_run impl_1
if {[get_property PROGRESS [get_runs impl_1]] ne "100%"} {
    error "implementation stopped: [get_property STATUS [get_runs impl_1]]"
}

open_run impl_1
report_timing_summary -file $settings(folder)/timing.rpt
report_utilization -hierarchical -file $settings(folder)/utilization.rpt
check_timing [get_runs impl_1]

# PYNQ wants both files under one name; no .xsa may lie beside them.
file copy -force $settings(folder)/project/nigiri.runs/impl_1/nigiri_wrapper.bit $settings(folder)/nigiri.bit
file copy -force [glob $settings(folder)/project/nigiri.gen/sources_1/bd/nigiri/hw_handoff/nigiri.hwh] \
    $settings(folder)/nigiri.hwh
