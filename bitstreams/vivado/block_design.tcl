# The block design: processing system, accelerator, interrupt controller, and an interconnect for each port.
#
# The interrupt controller stands at top level and has the accelerator's pin as its only input, latched at its rising
# edge: PYNQ finds no interrupt that is wired in another way, and would wake up twice at a level.

# A 1:N interconnect, on the design's clock.
proc make_interconnect {name masters} {
    global names
    set cell [create_bd_cell -type ip -vlnv xilinx.com:ip:axi_interconnect $name]
    set_property -dict [list CONFIG.NUM_SI 1 CONFIG.NUM_MI $masters] $cell
    set pins [list ACLK S00_ACLK]
    for {set n 0} {$n < $masters} {incr n} { lappend pins [format "M%02d_ACLK" $n] }
    foreach pin $pins {
        clock_to $name/$pin
        reset_to $name/[string map {ACLK ARESETN} $pin]
    }
    return $cell
}
proc clock_to {pin} {
    global names
    connect_bd_net [get_bd_pins $names(ps)/$names(clock)] [get_bd_pins $pin]
}
proc reset_to {pin} {
    connect_bd_net [get_bd_pins reset_0/peripheral_aresetn] [get_bd_pins $pin]
}
proc bus {from to} {
    connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to]
}

proc make_block_design {} {
    global settings names
    create_bd_design nigiri
    make_processing_system
    create_bd_cell -type ip -vlnv $settings(vlnv) $settings(instance)
    create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset reset_0
    set controller [create_bd_cell -type ip -vlnv xilinx.com:ip:axi_intc axi_intc_0]
    set_property -dict [list CONFIG.C_IRQ_CONNECTION 1 CONFIG.C_KIND_OF_INTR.VALUE_SRC USER \
        CONFIG.C_KIND_OF_INTR 0xFFFFFFFF] $controller

    clock_to reset_0/slowest_sync_clk
    connect_bd_net [get_bd_pins $names(ps)/$names(reset)] [get_bd_pins reset_0/ext_reset_in]
    clock_to $names(ps)/$names(control_clock)
    clock_to $settings(instance)/aclk
    reset_to $settings(instance)/aresetn
    clock_to axi_intc_0/s_axi_aclk
    reset_to axi_intc_0/s_axi_aresetn

    make_interconnect control 2
    bus $names(ps)/$names(control) control/S00_AXI
    bus control/M00_AXI $settings(instance)/s_axi
    bus control/M01_AXI axi_intc_0/s_axi
    for {set n 0} {$n < $settings(ports)} {incr n} {
        make_interconnect data_$n 1
        clock_to $names(ps)/[data_clock $n]
        bus $settings(instance)/m${n}_axi data_$n/S00_AXI
        bus data_$n/M00_AXI $names(ps)/[data_port $n]
    }
    connect_bd_net [get_bd_pins $settings(instance)/interrupt] [get_bd_pins axi_intc_0/intr]
    connect_bd_net [get_bd_pins axi_intc_0/irq] [get_bd_pins $names(ps)/$names(irq)]

    # Registers where the desktop's description has them; memory wherever the ports reach it, above 4 GiB as well.
    assign_bd_address -offset $settings(ip_base) -range 64K [get_bd_addr_segs $settings(instance)/s_axi/*]
    assign_bd_address -offset $settings(intc_base) -range 64K [get_bd_addr_segs axi_intc_0/S_AXI/*]
    assign_bd_address
    validate_bd_design
    save_bd_design
}
