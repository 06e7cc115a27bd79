# Zynq-7000: what the processing system offers, and what its parts are called.

proc make_processing_system {} {
    global settings
    set ps [create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7 processing_system7_0]
    apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \
        -config {make_external "FIXED_IO, DDR" apply_board_preset 1} $ps
    set options [list CONFIG.PCW_USE_M_AXI_GP0 1 CONFIG.PCW_USE_FABRIC_INTERRUPT 1 CONFIG.PCW_IRQ_F2P_INTR 1 \
        CONFIG.PCW_EN_CLK0_PORT 1 CONFIG.PCW_FCLK0_PERIPHERAL_CLKSRC {IO PLL} \
        CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $settings(fclk_mhz)]
    for {set n 0} {$n < $settings(ports)} {incr n} {
        lappend options CONFIG.PCW_USE_S_AXI_HP$n 1 CONFIG.PCW_S_AXI_HP${n}_DATA_WIDTH 64
    }
    set_property -dict $options $ps
    return $ps
}

array set names {
    ps processing_system7_0  clock FCLK_CLK0  reset FCLK_RESET0_N  irq IRQ_F2P
    control M_AXI_GP0  control_clock M_AXI_GP0_ACLK
}
proc data_port {n} { return S_AXI_HP$n }
proc data_clock {n} { return S_AXI_HP${n}_ACLK }
